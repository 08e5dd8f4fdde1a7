"""The example applications that speak HTTP do what their descriptions say, on tornadolike and on Tornado."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


def test_rest_keeps_notes_in_a_file(start: Start, tmp_path: Path) -> None:
    program = start("rest_sqlite.py", f"--file={tmp_path / 'notes.sqlite'}")
    status, headers, body = program.request("POST", "/notes", json.dumps({"text": "milk"}))
    assert (status, headers["Location"], json.loads(body)) == (201, "/notes/1", {"id": 1})
    program.request("POST", "/notes", json.dumps({"text": "bread"}))
    assert program.request("PUT", "/notes/1", json.dumps({"text": "oat milk"}))[0] == 204
    assert json.loads(program.request("GET", "/notes/1")[2]) == {"id": 1, "text": "oat milk"}
    assert program.request("DELETE", "/notes/2")[0] == 204
    program.end()
    again = start("rest_sqlite.py", f"--file={tmp_path / 'notes.sqlite'}")
    assert json.loads(again.request("GET", "/notes")[2]) == {"notes": [{"id": 1, "text": "oat milk"}]}


def test_rest_refuses_in_json(start: Start, tmp_path: Path) -> None:
    program = start("rest_sqlite.py", f"--file={tmp_path / 'notes.sqlite'}")
    for method, path, body, expected in [
        ("GET", "/notes/7", None, 404),
        ("PUT", "/notes/7", '{"text": "x"}', 404),
        ("POST", "/notes", "no json", 400),
        ("POST", "/notes", "[]", 400),
        ("POST", "/notes", '{"text": " "}', 422),
        ("PATCH", "/notes", "", 405),
    ]:
        status, _, answer = program.request(method, path, body)
        assert status == expected
        assert json.loads(answer).keys() == {"error"}


def test_long_polling_waits_for_news(start: Start) -> None:
    program = start("long_polling.py")
    assert b"<!DOCTYPE html>" in program.request("GET", "/")[2]
    assert json.loads(program.request("GET", "/news?wait=0")[2]) == {"news": []}
    answers = []
    reader = threading.Thread(target=lambda: answers.append(json.loads(program.request("GET", "/news?after=0&wait=30")[2])))
    reader.start()
    assert program.request("POST", "/news", {"text": "it rains"})[0] == 204
    reader.join(20)
    assert answers == [{"news": [{"number": 1, "text": "it rains"}]}]
    assert json.loads(program.request("GET", "/news?after=1&wait=0")[2]) == {"news": []}


def test_long_polling_forgets_those_who_leave(start: Start) -> None:
    program = start("long_polling.py")
    with socket.create_connection(("127.0.0.1", program.port)) as connection:
        connection.sendall(b"GET /news?wait=30 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert program.request("POST", "/news", {"text": "x"})[0] == 204
    assert program.request("GET", "/news?after=0")[0] == 200


def test_upload_shows_progress_while_the_body_arrives(start: Start, tmp_path: Path) -> None:
    program = start("upload_progress.py", f"--directory={tmp_path}")
    assert b"<progress" in program.request("GET", "/")[2]
    assert program.request("GET", "/progress/big.bin")[0] == 404
    content = bytes(range(256)) * 4096
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=20)
    connection.putrequest("PUT", "/files/big.bin")
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders()
    connection.send(content[:300_000])
    seen = {}
    while seen.get("received", 0) < 300_000:
        status, _, body = program.request("GET", "/progress/big.bin")
        seen = json.loads(body) if status == 200 else {}
    assert seen == {"received": 300_000, "expected": len(content), "finished": False}
    assert not (tmp_path / "big.bin").exists()
    connection.send(content[300_000:])
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (201, {"received": len(content)})
    connection.close()
    assert (tmp_path / "big.bin").read_bytes() == content
    assert json.loads(program.request("GET", "/progress/big.bin")[2])["finished"] is True


def test_upload_refuses_what_is_too_large_or_badly_named(start: Start, tmp_path: Path) -> None:
    program = start("upload_progress.py", f"--directory={tmp_path}", "--largest=1000")
    with socket.create_connection(("127.0.0.1", program.port), timeout=20) as connection:
        connection.sendall(b"PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert program.request("PUT", "/files/..%2Fa", b"x")[0] == 404
    assert program.request("GET", "/files/a")[0] == 405
    assert list(tmp_path.iterdir()) == []


def test_download_is_streamed(start: Start) -> None:
    program = start("streaming_download.py")
    status, headers, body = program.request("GET", "/report.csv?rows=2500")
    lines = body.decode().splitlines()
    assert (status, headers["Content-Length"], headers["Transfer-Encoding"]) == (200, None, "chunked")
    assert (lines[0], lines[1], lines[-1], len(lines)) == ("number,square", "1,1", "2500,6250000", 2501)
    assert program.request("GET", "/report.csv?rows=many")[0] == 400


def test_download_ends_when_the_client_leaves(start: Start) -> None:
    program = start("streaming_download.py")
    with socket.create_connection(("127.0.0.1", program.port), timeout=20) as connection:
        connection.sendall(b"GET /report.csv?rows=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert program.stdout.readline() == "the client has gone\n"


def token(page: bytes) -> str:
    found = re.search(rb'name="_xsrf" value="([^"]+)"', page)
    assert found is not None
    return found[1].decode()


def test_login_and_logout(start: Start) -> None:
    program = start("login.py", "--secret=not a good one")
    status, headers, _ = program.request("GET", "/")
    assert (status, headers["Location"]) == (302, "/login?next=%2F")
    xsrf = token(program.request("GET", headers["Location"])[2])
    assert program.request("POST", "/login", {"name": "ada", "password": "lovelace"})[0] == 403  # no token
    status, _, page = program.request("POST", "/login", {"name": "ada", "password": "wrong", "_xsrf": xsrf})
    assert status == 403
    assert b"is wrong" in page
    assert program.request("POST", "/login", {"name": "bob", "password": "lovelace", "_xsrf": xsrf})[0] == 403
    form = {"name": "ada", "password": "lovelace", "_xsrf": xsrf, "next": "//elsewhere.example"}
    status, headers, _ = program.request("POST", "/login", form)
    assert (status, headers["Location"]) == (303, "/")
    assert program.cookies["user"]["httponly"]
    status, _, page = program.request("GET", "/")
    assert status == 200
    assert b"Hello, ada!" in page
    assert program.request("POST", "/logout", {"_xsrf": xsrf})[0] == 303
    assert program.request("GET", "/")[0] == 302


def test_forged_cookie_is_nobody(start: Start) -> None:
    program = start("login.py", "--secret=not a good one")
    program.cookies["user"] = "2|1:0|10:1700000000|4:user|4:YWRh|" + "0" * 64
    assert program.request("GET", "/")[0] == 302


def test_workers_do_jobs_and_finish_them_before_the_end(start: Start) -> None:
    program = start("workers.py")
    status, headers, _ = program.request("POST", "/jobs", {"number": "360"})
    assert (status, headers["Location"]) == (202, "/jobs/1")
    state = {}
    while state.get("state") != "done":
        state = json.loads(program.request("GET", "/jobs/1")[2])
    assert state["factors"] == [2, 2, 2, 3, 3, 5]
    assert program.request("POST", "/jobs", {"number": "one"})[0] == 400
    assert program.request("GET", "/jobs/99")[0] == 404
    for _ in range(5):
        program.request("POST", "/jobs", {"number": "999999000001"})
    status, printed, errors = program.end()
    assert (status, printed) == (0, "ended with 6 jobs done\n")
    assert "Traceback" not in errors


def test_wsgi_beside_handlers(start: Start) -> None:
    program = start("wsgi_inside.py")
    assert json.loads(program.request("GET", "/time")[2])["uptime"] >= 0
    status, headers, _ = program.request("POST", "/guests", {"entry": "Grüße"})
    assert (status, headers["Location"]) == (303, "/guests")
    assert program.request("GET", "/guests")[2].decode() == "Grüße\n"
    assert program.request("GET", "/elsewhere")[0] == 404


def test_asgi_runs_beside_handlers(start: Start, implementation: str) -> None:
    if implementation == "tornado":
        pytest.skip("Tornado has no `tornado.asgi`")
    program = start("asgi_inside.py")
    assert program.request("GET", "/")[2] == b"a handler\n"
    assert json.loads(program.request("GET", "/counter/a")[2]) == {"path": "/counter/a", "visits": 1}
    assert json.loads(program.request("GET", "/counter/b")[2])["visits"] == 2
    status, printed, errors = program.end()
    assert (status, printed) == (0, "2 visits\n")
    assert "Traceback" not in errors
