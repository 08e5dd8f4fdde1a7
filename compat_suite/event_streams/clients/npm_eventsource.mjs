// Reads BASE/room with `eventsource` from npm and tells BASE/heard what it was sent, one after the other.
import { createRequire } from "node:module";

const [base, directory] = process.argv.slice(2);
const { EventSource } = createRequire(directory + "/")("eventsource");

let told = Promise.resolve();
new EventSource(base + "/room").onmessage = ({ lastEventId, data }) => {
    told = told.then(() => fetch(base + "/heard", { method: "POST", body: `${lastEventId} ${data}` }));
};
