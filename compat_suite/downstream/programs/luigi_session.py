"""``luigid`` and workers that do tasks by it: dependencies, a failure, a retry, its pages and its API. Prints what was seen."""

import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import asking

_TASKS = """
import luigi

class Letter(luigi.Task):
    letter = luigi.Parameter()
    def output(self):
        return luigi.LocalTarget(f"{self.letter}.txt")
    def run(self):
        with self.output().open("w") as file:
            file.write(self.letter)

class Word(luigi.Task):
    def requires(self):
        return [Letter(one) for one in "abc"]
    def output(self):
        return luigi.LocalTarget("word.txt")
    def run(self):
        self.set_status_message("joining")
        with self.output().open("w") as file:
            file.write("".join(one.open().read() for one in self.input()))

class Failing(luigi.Task):
    def run(self):
        raise ValueError("of the task")
"""


def work(port: int, directory: Path, task: str) -> list[object]:
    command = [sys.executable, "-m", "luigi", "--module", "tasks", task, "--scheduler-port", str(port), "--scheduler-host", "127.0.0.1"]
    variables = {**os.environ, "PYTHONPATH": "."}
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, env=variables, timeout=120, check=False)
    return [done.returncode, "This progress looks :)" in done.stderr, "This progress looks :(" in done.stderr, "Traceback" in done.stderr]


def session(server: asking.Server, directory: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    seen["word"] = work(server.port, directory, "Word")
    seen["the word"] = (directory / "word.txt").read_text(encoding="utf-8")
    seen["word again"] = work(server.port, directory, "Word")
    seen["failing"] = work(server.port, directory, "Failing")
    for state in ("DONE", "FAILED"):
        data = json.dumps({"status": state, "upstream_status": ""})
        status, _, body = server.ask("GET", f"/api/task_list?data={urllib.parse.quote(data)}")
        seen[state] = [status, sorted(one["name"] for one in json.loads(body)["response"].values())]
    for name in ("worker_list", "resource_list", "is_paused", "nosuch", "ping"):
        status, _, body = server.ask("POST", f"/api/{name}", "data=%7B%7D", {"Content-Type": "application/x-www-form-urlencoded"})
        seen[name] = [status, body[:12].decode()]
    for path in ("/", "/static/visualiser/index.html", "/static/visualiser/js/luigi.js", "/nosuch", "/history", "/metrics"):
        status, headers, body = server.ask("GET", path)
        seen[path] = [status, sorted(headers.items()), len(body) > 0]
    status, headers, body = server.ask("GET", "/static/visualiser/js/luigi.js", headers={"Range": "bytes=0-9"})
    seen["range"] = [status, len(body)]
    return seen


def main() -> None:
    port, directory = asking.free_port(), Path(sys.argv[1])
    (directory / "tasks.py").write_text(_TASKS, encoding="utf-8")
    options = [f"--port={port}", "--address=127.0.0.1", f"--logdir={directory}", f"--state-path={directory / 'state'}"]
    code = "import sys; from luigi.cmdline import luigid; luigid(sys.argv[1:])"
    with asking.served(["-c", code, *options], port, directory) as server:
        seen = session(server, directory)
    seen["state kept"] = (directory / "state").exists()
    print(json.dumps(seen | {"exit status": server.status, "log": server.told()}))


if __name__ == "__main__":
    main()
