"""One application of Tornado under a monitoring agent: what the agent says of each request. Prints what was seen.

``traced_session.py AGENT DIRECTORY``: elastic-apm, newrelic, rollbar, raven or ddtrace. ``traced_session.py serve AGENT PORT`` is the
server, which keeps what its agent would send, and gives it at ``/_heard``.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import asking

HEARD: list[Any] = []


def elastic_apm() -> Callable[[Any], None]:
    from elasticapm.contrib.tornado import ElasticAPM

    def start(application: Any) -> None:
        agent = ElasticAPM(application)
        agent.client.queue = agent.client.tracer.queue_func = lambda kind, data, flush=False: HEARD.append(_of_elastic(kind, data))

    return start


def _of_elastic(kind: str, data: dict[str, Any]) -> list[object]:
    if kind == "transaction":
        request = data["context"]["request"]
        return [kind, data["name"], data["result"], data["type"], request["method"], request["url"]["pathname"], data["outcome"]]
    if kind == "error":
        return [kind, data["exception"]["type"], data["exception"]["message"], data["culprit"]]
    return [kind, data.get("name"), data.get("type"), data.get("outcome")]


def newrelic() -> Callable[[Any], None]:
    os.environ |= {
        "NEW_RELIC_DEVELOPER_MODE": "true",
        "NEW_RELIC_LICENSE_KEY": "0" * 40,
        "NEW_RELIC_APP_NAME": "traced",
        "NEW_RELIC_LOG": "stderr",
    }
    import newrelic.agent

    newrelic.agent.initialize()
    newrelic.agent.register_application(timeout=30)
    from newrelic.core.agent import agent_instance

    agent = agent_instance()
    record = agent.record_transaction

    def recorded(name: str, data: Any) -> None:
        HEARD.append(
            [
                data.path,
                sorted(error.type for error in data.errors),
                sorted(child.name for child in data.root.children if hasattr(child, "name")),
            ]
        )
        record(name, data)

    agent.record_transaction = recorded
    return lambda application: None


def rollbar() -> Callable[[Any], None]:
    import logging

    import rollbar
    from rollbar.logger import RollbarHandler

    rollbar.init("token", "test", handler="blocking")
    rollbar.send_payload = lambda payload, token: HEARD.append(_of_rollbar(payload["data"]))
    handler = RollbarHandler(level=logging.ERROR)
    logging.getLogger("tornado.application").addHandler(handler)
    return lambda application: None


def _of_rollbar(data: dict[str, Any]) -> list[object]:
    traces = data["body"].get("trace_chain") or [data["body"].get("trace")]
    return [data["level"], [[one["exception"]["class"], one["exception"]["message"]] if one else None for one in traces]]


def raven() -> Callable[[Any], None]:
    from raven.contrib.tornado import AsyncSentryClient

    class Client(AsyncSentryClient):
        def send_encoded(self, message: Any, auth_header: Any = None, **kwargs: Any) -> None:
            data = self.decode(message)
            error = data["exception"]["values"][-1]
            HEARD.append(
                [error["type"], error["value"], data["request"]["method"], data["request"]["url"].rpartition("/")[2], data.get("culprit")]
            )

    def start(application: Any) -> None:
        application.sentry_client = Client("http://public:secret@127.0.0.1:1/1")

    return start


def ddtrace() -> Callable[[Any], None]:
    os.environ |= {"DD_TRACE_API_VERSION": "v0.4", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_TRACE_STARTUP_LOGS": "false"}
    import ddtrace
    from ddtrace.trace import TraceFilter, tracer

    class Kept(TraceFilter):
        def process_trace(self, trace: Any) -> None:
            for span in trace:
                status = span.get_tag("http.status_code")
                HEARD.append([span.name, span.resource, status, span.error, span.get_tag("error.type"), span.parent_id is not None])

    tracer.configure(trace_processors=[Kept()])
    ddtrace.patch(tornado=True)
    return lambda application: None


def serve(agent: str, port: int) -> None:  # noqa: C901 - one short handler after another
    start = {"elastic-apm": elastic_apm, "newrelic": newrelic, "rollbar": rollbar, "raven": raven, "ddtrace": ddtrace}[agent]()
    import tornado.gen
    import tornado.httpclient
    import tornado.web
    import tornado.websocket

    base: tuple[type, ...] = (tornado.web.RequestHandler,)
    if agent == "raven":
        from raven.contrib.tornado import SentryMixin

        base = (SentryMixin, *base)
    kind: Any = type("Base", base, {"__module__": "__main__"})

    class Plain(kind):
        def get(self, name: str = "") -> None:
            self.write(f"plain {name}")

    class Waiting(kind):
        async def prepare(self) -> None:
            await asyncio.sleep(0.001)

        async def get(self) -> None:
            await asyncio.sleep(0.001)
            self.finish("waiting")

    class Generator(kind):
        @tornado.gen.coroutine
        def get(self) -> Any:
            yield tornado.gen.sleep(0.001)
            self.write("generator")

    class Failing(kind):
        async def get(self, when: str) -> None:
            if when == "later":
                await asyncio.sleep(0.001)
            raise ValueError(f"failed {when}")

    class Refusing(kind):
        def get(self) -> None:
            raise tornado.web.HTTPError(403, "refused")

    class Asking(kind):
        async def get(self) -> None:
            answer = await tornado.httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/plain/inner")
            self.write(answer.body)

    class Socket(tornado.websocket.WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message)

    class Heard(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write({"heard": HEARD})

    class Page(kind):
        def get(self) -> None:
            self.write(tornado.template.Template("{{ 1 + 1 }}").generate())

    routes = [
        ("/plain/(.*)", Plain), ("/waiting", Waiting), ("/generator", Generator), ("/failing/(.*)", Failing), ("/refusing", Refusing),
        ("/asking", Asking), ("/socket", Socket), ("/page", Page), ("/_heard", Heard),
        ("/redirected", tornado.web.RedirectHandler, {"url": "/page"}),
    ]  # fmt: skip

    async def main() -> None:
        application = tornado.web.Application(routes, ELASTIC_APM=_ELASTIC)
        start(application)
        application.listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())


_ELASTIC = {
    "SERVICE_NAME": "traced",
    "SERVER_URL": "http://127.0.0.1:1",
    "CENTRAL_CONFIG": False,
    "METRICS_INTERVAL": "0ms",
    "CLOUD_PROVIDER": "none",
}
_PATHS = ("/plain/a", "/waiting", "/generator", "/failing/now", "/failing/later", "/refusing", "/nosuch", "/asking", "/redirected", "/page")


def session(server: asking.Server) -> dict[str, object]:
    seen: dict[str, object] = {}
    told = 0
    for method, path in [*(("GET", path) for path in _PATHS), ("POST", "/plain/a"), ("HEAD", "/waiting")]:
        status, _, body = server.ask(method, path)
        heard = settled(server, told)
        seen[f"{method} {path}"] = [status, len(body) > 0, sorted(map(repr, heard[told:]))]
        told = len(heard)
    return seen


def settled(server: asking.Server, told: int) -> list[object]:
    """What the agent has said, when it has said no more for three questions; an answer is sent before the agent hears of its end."""
    before, quiet = -1, 0
    while quiet < 3:
        heard = [
            one for one in json.loads(server.ask("GET", "/_heard")[2])["heard"] if "_heard" not in repr(one) and "Heard" not in repr(one)
        ]
        quiet = quiet + 1 if len(heard) == before else 0
        before = len(heard)
        asking.time.sleep(0.02)
    return heard


def main() -> None:
    agent, directory = sys.argv[1:]
    port = asking.free_port()
    with asking.served([__file__, "serve", agent, str(port)], port, directory) as server:
        seen = session(server)
    seen = json.loads(json.dumps(seen).replace(str(port), "PORT"))
    print(json.dumps(seen | {"exit status": server.status, "log": server.told()}))


if __name__ == "__main__":
    serve(sys.argv[2], int(sys.argv[3])) if sys.argv[1] == "serve" else main()
