"""Monitoring agents under ``tornadolike run`` with metrics and JSON access log on: they see what they see on Tornado. Prints what was seen.

``agents_run.py DIRECTORY`` asks the same requests of a server under each agent. ``agents_run.py serve AGENT FILE`` is that server, which
writes its port into the file, keeps what its agent would send, and gives it at ``/_heard``.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

HEARD: list[Any] = []
_IS_OURS = os.environ.get("TORNADOLIKE_AS_TORNADO") == "1"
_REQUESTS = (
    ("GET", "/plain/a"), ("POST", "/plain/a"), ("GET", "/waiting"), ("HEAD", "/waiting"), ("GET", "/failing/now"),
    ("GET", "/failing/later"), ("GET", "/refusing"), ("GET", "/nosuch"),
)  # fmt: skip
_MEASURED = 'error_type="500",http_request_method="GET",http_response_status_code="500",http_route="/failing/(.*)",url_scheme="http"} 2.0'
_NOT_COMPARED = ("port", "url", "host", "peer", "user_agent")


def opentelemetry() -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation.tornado import TornadoInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Kept(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            for span in spans:
                attributes = {
                    name: str(value) for name, value in span.attributes.items() if not any(part in name for part in _NOT_COMPARED)
                }
                HEARD.append([span.name, span.kind.name, sorted(attributes.items()), span.status.status_code.name])
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Kept()))
    trace.set_tracer_provider(provider)
    TornadoInstrumentor().instrument()


def sentry() -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            for item in envelope.items:
                said = item.payload.json or {}
                if said.get("type") == "transaction":
                    context = said["contexts"]["trace"]
                    HEARD.append(["transaction", said["transaction"], context.get("op"), context.get("status")])
                elif "exception" in said:
                    errors = [one["type"] for one in said["exception"]["values"]]
                    HEARD.append(["error", said.get("transaction"), errors, said["request"]["method"]])

    sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=Kept, traces_sample_rate=1.0)


def newrelic() -> None:
    os.environ |= {"NEW_RELIC_DEVELOPER_MODE": "true", "NEW_RELIC_LICENSE_KEY": "0" * 40, "NEW_RELIC_LOG": "stderr"}
    import newrelic.agent

    newrelic.agent.initialize()
    newrelic.agent.register_application(timeout=30)
    from newrelic.core.agent import agent_instance

    agent = agent_instance()
    record = agent.record_transaction

    def recorded(name: str, transaction: Any) -> None:
        HEARD.append([transaction.path, sorted(error.type for error in transaction.errors)])
        record(name, transaction)

    agent.record_transaction = recorded


def ddtrace() -> None:
    os.environ |= {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_TRACE_STARTUP_LOGS": "false"}
    import ddtrace
    from ddtrace.trace import TraceFilter, tracer

    class Kept(TraceFilter):
        def process_trace(self, trace: Any) -> None:
            HEARD.extend([one.name, one.resource, one.get_tag("http.status_code"), one.error, one.get_tag("error.type")] for one in trace)

    tracer.configure(trace_processors=[Kept()])
    ddtrace.patch(tornado=True)


AGENTS: dict[str, Callable[[], None]] = {"opentelemetry": opentelemetry, "sentry": sentry, "newrelic": newrelic, "ddtrace": ddtrace}


def serve(agent: str, file: str) -> None:
    AGENTS[agent]()
    import tornado.httpserver
    import tornado.netutil
    import tornado.web

    class Plain(tornado.web.RequestHandler):
        def get(self, name: str) -> None:
            self.write(f"plain {name}")

        post = get

    class Waiting(tornado.web.RequestHandler):
        async def prepare(self) -> None:
            await asyncio.sleep(0.001)

        async def get(self) -> None:
            await asyncio.sleep(0.001)
            self.finish("waiting")

        head = get

    class Failing(tornado.web.RequestHandler):
        async def get(self, when: str) -> None:
            if when == "later":
                await asyncio.sleep(0.001)
            raise ValueError(f"failed {when}")

    class Refusing(tornado.web.RequestHandler):
        def get(self) -> None:
            raise tornado.web.HTTPError(403, "refused")

    class Heard(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write({"heard": HEARD})

    routes: list[Any] = [("/plain/(.*)", Plain), ("/waiting", Waiting), ("/failing/(.*)", Failing), ("/refusing", Refusing)]
    application = tornado.web.Application([*routes, ("/_heard", Heard)])
    if _IS_OURS:
        from tornadolike import metrics

        metrics.instrument(application)
        application.add_handlers(".*", [("/_heard/metrics", metrics.MetricsHandler)])

    async def main() -> None:
        [listening] = tornado.netutil.bind_sockets(0, "127.0.0.1")
        tornado.httpserver.HTTPServer(application).add_socket(listening)
        tell(file, listening.getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(main())


def tell(file: str, port: int) -> None:
    with open(file + ".new", "w", encoding="ascii") as told:
        told.write(str(port))
    os.rename(file + ".new", file)


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", b"" if method == "POST" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def heard(port: int) -> list[Any]:
    """What the agent has said, when it has said no more for three questions: an answer is sent before the agent hears of its end."""
    before, quiet = -1, 0
    while quiet < 3:
        found = [one for one in json.loads(ask(port, "/_heard")[1])["heard"] if "eard" not in repr(one)]
        quiet = quiet + 1 if len(found) == before else 0
        before = len(found)
        time.sleep(0.02)
    return found


def session(port: int) -> dict[str, object]:
    seen: dict[str, object] = {}
    told = 0
    for method, path in _REQUESTS:
        status, _ = ask(port, path, method)
        found = heard(port)
        seen[f"{method} {path}"] = [status, sorted(map(repr, found[told:]))]
        told = len(found)
    seen["metrics"] = not _IS_OURS or _MEASURED in ask(port, "/_heard/metrics")[1].decode()
    return seen


def logged(file: str) -> bool:
    """Whether each request is in our access log, with its route."""
    with open(file, encoding="utf-8") as log:
        lines = [json.loads(line) for line in log if line.startswith("{")]
    routes = [(line["method"], line["route"]) for line in lines if "_heard" not in line["target"]]
    failing, plain = "/failing/(.*)", "/plain/(.*)"
    return [one for one in routes if one[1] in (failing, plain)] == [("GET", plain), ("POST", plain), ("GET", failing), ("GET", failing)]


def watched(agent: str, directory: str) -> dict[str, object]:
    run = ["-m", "tornadolike", "run", "--access-log", "json"] if _IS_OURS else []
    log, file = f"{directory}/{agent}.log", f"{directory}/{agent}.port"
    assert not os.path.exists(file), "a directory of its own is wanted"
    with (
        open(log, "w", encoding="utf-8") as output,
        subprocess.Popen([sys.executable, *run, __file__, "serve", agent, file], stdout=output, stderr=output) as server,
    ):
        try:
            deadline = time.monotonic() + 60
            while not os.path.exists(file) and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            with open(file, encoding="ascii") as told:
                port = int(told.read())
            seen = session(port)
        finally:
            server.terminate()
            server.wait(60)
    return seen | {"access log": not _IS_OURS or logged(log)}


def main() -> None:
    found = {f"{agent}: {name}": value for agent in AGENTS for name, value in watched(agent, sys.argv[1]).items()}
    print(json.dumps(found))


if __name__ == "__main__":
    serve(sys.argv[2], sys.argv[3]) if sys.argv[1] == "serve" else main()
