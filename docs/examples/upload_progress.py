"""Uploads of any size, written to disk as they arrive, with a progress that others can watch.

    PUT /files/NAME      the file as the body
    GET /progress/NAME   {"received": bytes, "expected": bytes or null, "finished": true or false}

The body is never held in memory: the handler gets it piece by piece, and while it writes one the client has to wait.
"""

import asyncio
import os
import tempfile

from tornado.options import define, options, parse_command_line
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

define("port", default=8888, help="TCP port to listen on")
define("directory", default=".", help="where the files go")
define("largest", default=10 * 1024**3, help="the largest file, in bytes")

PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>Upload</title>
<h1>Upload</h1>
<label>File <input type=file></label> <progress value=0></progress> <output></output>
<script>
const bar = document.querySelector("progress"), output = document.querySelector("output");
document.querySelector("input").onchange = event => {
    const file = event.target.files[0];
    // Names that the server takes.
    const name = file.name.slice(-100).replace(/^[.]+|[^A-Za-z0-9._-]/g, "_");
    const timer = setInterval(async () => {
        const answer = await fetch(`/progress/${name}`);
        if (answer.ok) bar.value = (await answer.json()).received;
    }, 200);
    bar.max = file.size;
    output.textContent = "";
    fetch(`/files/${name}`, {method: "PUT", body: file}).then(answer => {
        clearInterval(timer);
        bar.value = answer.ok ? file.size : 0;
        output.textContent = answer.ok ? `done: ${name}` : answer.statusText;
    });
};
</script>
"""


@stream_request_body
class FileHandler(RequestHandler):
    file = None

    def initialize(self, directory, largest, progress):
        self.directory = directory
        self.largest = largest
        self.progress = progress

    def prepare(self):
        # Before the first byte of the body: the moment to refuse, and to raise the limit from the server's 100 MB.
        if self.request.method != "PUT":
            raise HTTPError(405)
        length = self.request.headers.get("Content-Length")
        if length is not None and int(length) > self.largest:
            raise HTTPError(413)
        self.request.connection.set_max_body_size(self.largest)
        self.state = {"received": 0, "expected": int(length) if length is not None else None, "finished": False}
        self.progress[self.path_args[0]] = self.state
        self.file = tempfile.NamedTemporaryFile(dir=self.directory, delete=False)  # noqa: SIM115 - lives as long as the request

    async def data_received(self, chunk):
        await asyncio.get_running_loop().run_in_executor(None, self.file.write, chunk)
        self.state["received"] += len(chunk)

    def put(self, name):
        self.file.close()
        os.replace(self.file.name, os.path.join(self.directory, name))
        self.file = None
        self.state["finished"] = True
        self.set_status(201)
        self.write({"received": self.state["received"]})

    def on_finish(self):
        self.forget()

    def on_connection_close(self):
        self.forget()

    def forget(self):
        """Leave no half a file behind when the client went away or the request was refused."""
        if self.file is not None:
            self.file.close()
            os.unlink(self.file.name)
            self.file = None


class ProgressHandler(RequestHandler):
    def initialize(self, progress):
        self.progress = progress

    def get(self, name):
        if name not in self.progress:
            raise HTTPError(404)
        self.set_header("Cache-Control", "no-store")
        self.write(self.progress[name])


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_app(directory, largest):
    progress = {}
    name = r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})"  # no path separators, nothing that begins with a dot
    return Application(
        [
            (r"/", PageHandler),
            (rf"/files/{name}", FileHandler, {"directory": directory, "largest": largest, "progress": progress}),
            (rf"/progress/{name}", ProgressHandler, {"progress": progress}),
        ]
    )


async def main():
    parse_command_line()
    make_app(options.directory, options.largest).listen(options.port)
    print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
