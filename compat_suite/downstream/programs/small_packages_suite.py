"""Small packages that ship no tests of their own, each used as its README shows: a class for each."""

import asyncio
import hashlib
import json
import re
import urllib.parse

import tornado.gen
import tornado.httpclient
import tornado.template
import tornado.testing
import tornado.web
import tornado.websocket


class TestTornadoHttpAuth(tornado.testing.AsyncHTTPTestCase):
    def get_app(self):
        from tornado_http_auth import BasicAuthMixin, DigestAuthMixin, auth_required

        users = {"user": "secret"}

        class Digest(DigestAuthMixin, tornado.web.RequestHandler):
            @auth_required(realm="Protected", auth_func=users.get)
            def get(self):
                self.write(f"hello {self._current_user}")

        class Basic(BasicAuthMixin, tornado.web.RequestHandler):
            def prepare(self):
                self.get_authenticated_user(check_credentials_func=users.get, realm="Protected")

            def get(self):
                self.write(f"hello {self._current_user}")

        return tornado.web.Application([("/digest", Digest), ("/basic", Basic)])

    def test_basic(self):
        refused = self.fetch("/basic")
        assert (refused.code, refused.headers["www-authenticate"]) == (401, 'Basic realm="Protected"')
        assert self.fetch("/basic", auth_username="user", auth_password="wrong").code == 401
        assert self.fetch("/basic", auth_username="user", auth_password="secret").body == b"hello user"

    def test_digest(self):
        challenge = self.fetch("/digest").headers["www-authenticate"]
        given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        first, second = (hashlib.md5(text.encode()).hexdigest() for text in ("user:Protected:secret", "GET:/digest"))
        proof = hashlib.md5(f"{first}:{given['nonce']}:00000001:c:auth:{second}".encode()).hexdigest()
        parts = {**given, "username": "user", "uri": "/digest", "response": proof, "cnonce": "c", "qop": "auth"}
        header = "Digest " + ", ".join(f'{name}="{value}"' for name, value in parts.items()) + ", nc=00000001"
        assert self.fetch("/digest", headers={"Authorization": header}).body == b"hello user"
        assert self.fetch("/digest", headers={"Authorization": header.replace(proof, proof[::-1])}).code == 401


class TestTornadoProxyHandlers(tornado.testing.AsyncHTTPTestCase):
    def get_app(self):
        from tornado_proxy_handlers import ProxyHandler, ProxyWSHandler

        class Page(tornado.web.RequestHandler):
            def get(self):
                self.set_header("X-Of", "page")
                self.write("page")

        class Echo(tornado.websocket.WebSocketHandler):
            def on_message(self, message):
                self.write_message(message, binary=isinstance(message, bytes))

        port = self.get_http_port()
        address = f"127.0.0.1:{port}"
        return tornado.web.Application(
            [
                ("/page", Page),
                ("/echo", Echo),
                ("/proxied", ProxyHandler, {"proxy_url": f"http://{address}/page"}),
                ("/missing", ProxyHandler, {"proxy_url": f"http://{address}/nosuch"}),
                ("/proxied-echo", ProxyWSHandler, {"proxy_url": f"ws://{address}/echo"}),
            ]
        )

    def test_http(self):
        answer = self.fetch("/proxied")
        assert (answer.code, answer.body, answer.headers["X-Of"]) == (200, b"page", "page")
        assert self.fetch("/missing").code == 404

    @tornado.testing.gen_test
    async def test_websocket(self):
        connection = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{self.get_http_port()}/proxied-echo")
        message = None
        while message is None:  # one that comes before its other side is connected is dropped
            await connection.write_message("text")
            waiting = asyncio.ensure_future(connection.read_message())
            await asyncio.wait([waiting], timeout=0.2)
            message = waiting.result() if waiting.done() else None
            if message is None:
                connection.close()
                connection = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{self.get_http_port()}/proxied-echo")
                await asyncio.sleep(0.05)
        assert message == "text"
        connection.close()


class TestPypugjs(tornado.testing.AsyncHTTPTestCase):
    """It puts a class of its own in the place of `tornado.template.Template`."""

    def setUp(self):
        from pypugjs.ext.tornado import patch_tornado

        self.before = tornado.template.Template
        patch_tornado()
        super().setUp()

    def tearDown(self):
        super().tearDown()
        tornado.template.Template = self.before

    def get_app(self):
        pages = {
            "base.pug": "html\n  body\n    block content",
            "page.pug": "extends base.pug\nblock content\n  h1= title\n  ul\n"
            "    each one in items\n      li(class='x')= one\n  if items\n    p some",
            "plain.html": "<p>{{ title }}</p>",
        }

        class Page(tornado.web.RequestHandler):
            def get(self, name):
                self.render(name, title="A <title>", items=["a", "b"])

        return tornado.web.Application([("/(.*)", Page)], template_loader=tornado.template.DictLoader(pages))

    def test_a_page(self):
        body = self.fetch("/page.pug").body
        assert re.sub(rb"\s+", b"", body) == re.sub(
            rb"\s+", b"", b'<html><body><h1>A &lt;title&gt;</h1><ul><li class="x">a</li><li class="x">b</li></ul><p>some</p></body></html>'
        )

    def test_others_stay(self):
        assert self.fetch("/plain.html").body == b"<p>A &lt;title&gt;</p>"


class TestWtformsTornado(tornado.testing.AsyncHTTPTestCase):
    def get_app(self):
        import wtforms
        from wtforms_tornado import Form

        class Sum(Form):
            a = wtforms.IntegerField(validators=[wtforms.validators.InputRequired()])
            several = wtforms.SelectMultipleField(choices=[("x", "X"), ("y", "Y")])
            text = wtforms.StringField("Text <b>")

        class Page(tornado.web.RequestHandler):
            def post(self):
                form = Sum(self.request.arguments)
                self.write({"valid": form.validate(), "data": form.data, "errors": form.errors, "field": str(form.text())})

        return tornado.web.Application([("/", Page)])

    def post(self, fields):
        return json.loads(self.fetch("/", method="POST", body=urllib.parse.urlencode(fields)).body)

    def test_a_form(self):
        answer = self.post([("a", "3"), ("several", "x"), ("several", "y"), ("text", "\u00e9<")])
        assert answer["valid"]
        assert answer["data"] == {"a": 3, "several": ["x", "y"], "text": "\u00e9<"}
        assert "\u00e9&lt;" in answer["field"]

    def test_errors(self):
        answer = self.post([("a", "no")])
        assert not answer["valid"]
        assert list(answer["errors"]) == ["a"]


class TestSwaggerUi(tornado.testing.AsyncHTTPTestCase):
    """It adds handlers to an application that is there."""

    def get_app(self):
        import swagger_ui

        class Page(tornado.web.RequestHandler):
            def get(self):
                self.write("page")

        application = tornado.web.Application([("/page", Page)])
        config = {"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {}}
        swagger_ui.api_doc(application, config=config, url_prefix="/api/doc", title="A title", editor=True)
        return application

    def test_pages(self):
        assert self.fetch("/page").body == b"page"
        assert b"A title" in self.fetch("/api/doc").body
        assert json.loads(self.fetch("/api/doc/swagger.json").body)["info"]["title"] == "t"
        assert self.fetch("/api/doc/editor").code == 200
        assert self.fetch("/api/doc/nosuch").code == 404

    def test_its_static_files(self):
        path = re.search(rb'href="([^"]+\.css)"', self.fetch("/api/doc").body)[1].decode()
        answer = self.fetch(urllib.parse.urljoin("/api/doc", path))
        assert (answer.code, answer.headers["Content-Type"]) == (200, "text/css")
        assert self.fetch(urllib.parse.urljoin("/api/doc", path), headers={"If-None-Match": answer.headers["Etag"]}).code == 304


class TestTornadoMock(tornado.testing.AsyncHTTPTestCase):
    """tornado-httpclient-mock replaces a client's ``fetch_impl``."""

    def get_app(self):
        class Page(tornado.web.RequestHandler):
            async def get(self):
                answer = await self.settings["client"].fetch(self.get_argument("url"), raise_error=False)
                self.set_status(answer.code, "mocked")
                self.set_header("X-Seen", answer.headers.get("X-Mocked", ""))
                self.write(answer.body or b"")

        return tornado.web.Application([("/", Page)])

    def test_stubs(self):
        from tornado_mock.httpclient import patch_http_client, set_stub

        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        self._app.settings["client"] = patch_http_client(client)
        set_stub(client, "http://a.example/x", response_body="a $name", response_headers={"X-Mocked": "yes"}, name="stub")
        set_stub(client, "http://a.example/missing", response_code=404)
        answer = self.fetch("/?url=http://a.example/x")
        assert (answer.code, answer.body, answer.headers["X-Seen"]) == (200, b"a stub", "yes")
        assert self.fetch("/?url=http://a.example/missing").code == 404
        assert self.fetch("/?url=http://b.example/").code == 500  # the stub of a 599 cannot be written to a client
        client.close()


class TestTornadoSqlalchemy(tornado.testing.AsyncHTTPTestCase):
    def get_app(self):
        import sqlalchemy
        from tornado_sqlalchemy import SessionMixin, SQLAlchemy, as_future

        options = {"poolclass": sqlalchemy.pool.StaticPool, "connect_args": {"check_same_thread": False}}
        database = SQLAlchemy("sqlite:///:memory:", engine_options=options)

        class User(database.Model):
            __tablename__ = "users"
            id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
            name = sqlalchemy.Column(sqlalchemy.String(50))

        class Users(SessionMixin, tornado.web.RequestHandler):
            async def get(self):
                self.write({"count": await as_future(self.session.query(User).count)})

            def post(self):
                with self.make_session() as session:
                    session.add(User(name=self.get_argument("name")))
                    session.commit()
                    self.write({"names": [user.name for user in session.query(User).order_by(User.id)]})

            @tornado.gen.coroutine
            def delete(self):
                with self.make_session() as session:
                    count = yield as_future(session.query(User).count)
                    self.write({"count": count})

        database.create_all()
        return tornado.web.Application([("/", Users)], db=database)

    def test_a_session(self):
        assert json.loads(self.fetch("/").body) == {"count": 0}
        assert json.loads(self.fetch("/?name=a", method="POST", body="").body) == {"names": ["a"]}
        assert json.loads(self.fetch("/?name=b", method="POST", body="").body) == {"names": ["a", "b"]}
        assert json.loads(self.fetch("/").body) == {"count": 2}
        assert json.loads(self.fetch("/", method="DELETE").body) == {"count": 2}


class TestTestnado:
    def test_a_mocked_service(self):
        from testnado import HandlerTestCase
        from testnado.mock_service import MockService

        class Case(HandlerTestCase):
            def get_app(self):
                return tornado.web.Application([("/away", tornado.web.RedirectHandler, {"url": "/x"})])

            def runTest(self):
                service = MockService(self.io_loop)
                service.add_method("GET", "/hello", lambda handler: handler.finish("hello"))
                service.listen()
                answer = self.io_loop.run_sync(lambda: tornado.httpclient.AsyncHTTPClient().fetch(service.base_url + "/hello"))
                assert answer.body == b"hello"
                service.assert_requested("GET", "/hello")
                self.assert_redirected_path_equals("/x", self.fetch("/away", follow_redirects=False))

        result = Case().run()
        assert (result.errors, result.failures, result.testsRun) == ([], [], 1)
