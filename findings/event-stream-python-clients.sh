#!/bin/sh
# Python's clients for event streams, given streams that the HTML standard (§9.2.6, "Interpreting an event stream") defines. What a browser
# makes of them stands first.
#
#                                            browser            httpx-sse 0.4.3     sseclient-py 1.9.0   aiohttp-sse-client 0.2.1
#   a byte order mark before the first       its data           event is lost       event is lost        (not tried)
#   an event without data (ping, or only id) no event           an event, data ""   no event             no event
#   the end inside of an event               dropped            dropped             an event             dropped
#   an id, then an event without one         the id is kept     kept                forgotten            kept
#   an id with NUL in it                     ignored            ignored             taken                taken
#   two spaces behind the colon              one is data        one is data         one is data          none
#   "data" twice without a colon             a line feed        a line feed         a line feed          empty data
#
# So a server that keeps connections alive with events that have no data, instead of comments, is read differently by each; a client that
# resumes from sseclient-py's id begins anew; and what a broken connection cut in the middle counts as received there. Python 3.11.7,
# httpx 0.28.1, aiohttp 3.14.5. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q httpx==0.28.1 httpx-sse==0.4.3 sseclient-py==1.9.0 aiohttp==3.14.5 aiohttp-sse-client==0.2.1 2>/dev/null
cat > "$here/read.py" <<'PY'
import asyncio
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import httpx_sse
import sseclient
from aiohttp_sse_client.client import EventSource

END = b"event: end\ndata: .\n\n"
# Each with what a browser dispatches before the event that ends it: data and last event id.
STREAMS = {
    "mark": (b"\xef\xbb\xbfdata: a\n\n" + END, [("a", "")]),
    "no data": (b"event: ping\n\n" + END, []),
    "only id": (b"id: 7\n\n" + END, []),
    "cut": (END + b"data: half\n", []),
    "id kept": (b"id: 1\ndata: a\n\ndata: b\n\n" + END, [("a", "1"), ("b", "1")]),
    "NUL": (b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n" + END, [("a", "1"), ("b", "1")]),
    "spaces": (b"data:  a\n\n" + END, [(" a", "")]),
    "no colon": (b"data\ndata\n\n" + END, [("\n", "")]),
}
WRONG = {
    "httpx-sse": {"mark", "no data", "only id"},
    "sseclient-py": {"mark", "cut", "id kept", "NUL"},
    "aiohttp-sse-client": {"NUL", "spaces", "no colon"},
}


class Streams(BaseHTTPRequestHandler):
    def do_GET(self):
        content = list(STREAMS.values())[int(self.path[1:])][0]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def with_httpx(url):
    with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", url) as source:
        return [(one.event, one.data, one.id) for one in source.iter_sse()]


def with_sseclient(url):
    with urllib.request.urlopen(url) as response:
        return [(one.event, one.data, one.id) for one in sseclient.SSEClient(response).events()]


def with_aiohttp(url):
    async def read():
        found = []
        async with EventSource(url, max_connect_retry=0) as source:
            async for one in source:
                found.append((one.type, one.data, one.last_event_id))
                if one.type == "end":
                    return found

    return asyncio.run(read())


server = ThreadingHTTPServer(("127.0.0.1", 0), Streams)
threading.Thread(target=server.serve_forever, daemon=True).start()
changed = False
for client, read in {"httpx-sse": with_httpx, "sseclient-py": with_sseclient, "aiohttp-sse-client": with_aiohttp}.items():
    for number, (name, (_, right)) in enumerate(STREAMS.items()):
        if client == "aiohttp-sse-client" and name == "mark":
            continue
        got = [(data, id_ or "") for event, data, id_ in read(f"http://127.0.0.1:{server.server_port}/{number}") if event != "end"]
        print(f"{client:20}{name:10}{'as a browser' if got == right else got}")
        changed |= (got != right) != (name in WRONG[client])
sys.exit(changed)
PY
"$here/venv/bin/python" "$here/read.py"
