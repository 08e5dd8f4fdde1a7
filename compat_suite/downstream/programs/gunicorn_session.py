"""``gunicorn -k tornado`` with a WSGI and a Tornado application: requests, then a graceful end. Prints what was seen."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_APP = """
import tornado.web, tornado, asyncio, os

class Pid(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))

class Main(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.01)
        self.write({"tornado": tornado.version, "arguments": self.get_arguments("a")})

    def post(self):
        self.set_status(201)
        self.write(self.request.body[::-1])

app = tornado.web.Application([("/", Main), ("/pid", Pid)])

def wsgi(environ, start_response):
    body = [environ["REQUEST_METHOD"].encode(), environ["PATH_INFO"].encode()]
    if environ["PATH_INFO"] == "/pid":
        body = [str(os.getpid()).encode()]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(sum(map(len, body))))])
    return body if environ["REQUEST_METHOD"] != "HEAD" else []
"""


def main() -> None:
    directory = sys.argv[1]
    Path(directory, "sample.py").write_text(_APP, encoding="utf-8")
    seen: dict[str, object] = {}
    for name in ("app", "wsgi"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "-k", "tornado", "-w", "2", "-b", f"127.0.0.1:{port}", f"sample:{name}"]
        process = subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True)
        try:
            seen |= {f"{name} {key}": value for key, value in conversation(port).items()}
            wait_for_workers(port)
        finally:
            process.send_signal(signal.SIGTERM)
            log = process.communicate(timeout=20)[1]
        seen[f"{name} exit status"] = process.returncode
        seen[f"{name} log"] = sorted(
            {
                re.sub(r"\[[^]]*\] ", "", re.sub(r"\d{4,}", "N", line))
                for line in log.splitlines()
                if "[ERROR]" in line or "Traceback" in line or "Error" in line
            }
        )
    print(json.dumps(seen))


def conversation(port: int) -> dict[str, object]:
    deadline = time.monotonic() + 60
    seen: dict[str, object] = {}
    for method, path, body in (("GET", "/?a=1&a=2", None), ("POST", "/", b"abc"), ("GET", "/nosuch", None), ("HEAD", "/", None)):
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request(method, path, body)
                answer = connection.getresponse()
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            except http.client.HTTPException as error:
                answer = None
                seen[f"{method} {path}"] = f"failed: {type(error).__name__}"
                break
        if answer is None:
            continue
        headers = [(key, value) for key, value in answer.getheaders() if key != "Date"]
        seen[f"{method} {path}"] = [answer.status, headers, answer.read().decode()]
        connection.close()
    return seen


def wait_for_workers(port: int) -> None:
    """Return when both have answered: one that is told to end before it runs does not notice, since ``TornadoWorker.run`` begins anew."""
    deadline, workers = time.monotonic() + 60, set()
    while len(workers) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("only one worker answers")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/pid")
        workers.add(connection.getresponse().read())
        connection.close()


if __name__ == "__main__":
    main()
