"""bottle on its adapter for Tornado (`WSGIContainer`): pages, forms, files, streams, errors. Prints what was seen.

``bottle_session.py DIRECTORY``; ``bottle_session.py serve PORT`` is the server.
"""

import json
import sys
from pathlib import Path

import asking
import bottle


def serve(port: int) -> None:
    @bottle.get("/hello/<name>")
    def hello(name):
        return bottle.template("Hello <b>{{name}}</b>! {{!more}}", name=name, more=bottle.request.query.more)

    @bottle.post("/form")
    def form():
        upload = bottle.request.files.get("file")
        return {"fields": dict(bottle.request.forms), "file": upload and [upload.filename, upload.file.read().decode()]}

    @bottle.route("/stream", method=["GET", "HEAD"])
    def stream():
        yield "first,"
        yield "second"

    @bottle.get("/cookie")
    def cookie():
        bottle.response.set_cookie("signed", "value", secret="s")
        bottle.response.set_cookie("plain", "value")
        return str(bottle.request.get_cookie("signed", secret="s"))

    @bottle.get("/environ")
    def environ():
        names = (
            "REQUEST_METHOD",
            "SCRIPT_NAME",
            "PATH_INFO",
            "QUERY_STRING",
            "REMOTE_ADDR",
            "SERVER_PROTOCOL",
            "wsgi.url_scheme",
            "HTTP_X_A",
        )
        return {name: str(bottle.request.environ.get(name)) for name in names}

    @bottle.get("/file")
    def file():
        return bottle.static_file("note.txt", root=".")

    @bottle.get("/fail")
    def fail():
        raise ValueError("of the handler")

    @bottle.get("/away")
    def away():
        bottle.redirect("/hello/a")

    bottle.run(server="tornado", host="127.0.0.1", port=port, quiet=True)


def session(server: asking.Server) -> dict[str, object]:
    seen: dict[str, object] = {}
    multipart = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncontent\r\n--b--\r\n'
    requests = [
        ("GET", "/hello/%C3%A9?more=<i>", None, {}),
        ("POST", "/form", "a=1&b=%C3%A9", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("POST", "/form", multipart, {"Content-Type": "multipart/form-data; boundary=b"}),
        ("GET", "/stream", None, {}),
        ("HEAD", "/stream", None, {}),
        ("GET", "/cookie", None, {}),
        ("GET", "/environ?a=%20&b", None, {"X-A": "\u00e9"}),
        ("GET", "/file", None, {}),
        ("GET", "/file", None, {"Range": "bytes=2-4"}),
        ("GET", "/fail", None, {}),
        ("GET", "/away", None, {}),
        ("GET", "/nosuch", None, {}),
        ("PUT", "/form", "x", {}),
    ]
    for method, path, body, headers in requests:
        status, kept, content = server.ask(method, path, body, headers)
        text = content.decode("utf-8", "replace").replace(str(server.port), "PORT")
        seen[f"{method} {path} {headers}"] = [status, json.dumps(kept, sort_keys=True).replace(str(server.port), "PORT"), text[:300]]
    return seen


def main() -> None:
    port = asking.free_port()
    Path(sys.argv[1], "note.txt").write_text("a note", encoding="utf-8")
    with asking.served([__file__, "serve", str(port)], port, sys.argv[1]) as server:
        seen = session(server)
    print(json.dumps(seen | {"exit status": server.status, "log": server.told()}))


if __name__ == "__main__":
    serve(int(sys.argv[2])) if sys.argv[1] == "serve" else main()
