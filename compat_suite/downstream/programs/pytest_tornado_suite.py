"""pytest-tornado as its users write it: the fixtures, the marker with its arguments, a websocket-free application."""

import pytest
import tornado
from tornado import gen, web
from tornado.httpclient import HTTPError


class Main(web.RequestHandler):
    def get(self) -> None:
        self.write("hello")


@pytest.fixture
def app() -> web.Application:
    return web.Application([("/", Main)])


@pytest.mark.gen_test
def test_fetch(http_client, base_url):
    response = yield http_client.fetch(base_url)
    assert (response.code, response.body) == (200, b"hello")


@pytest.mark.gen_test
def test_not_found(http_client, base_url):
    with pytest.raises(HTTPError, match="HTTP 404: Not Found"):
        yield http_client.fetch(base_url + "/nosuch")


@pytest.mark.gen_test
async def test_coroutine(http_client, base_url):
    assert (await http_client.fetch(base_url)).code == 200


@pytest.mark.gen_test(timeout=0.2)
@pytest.mark.xfail(strict=True)
def test_timeout():
    yield gen.sleep(5)


@pytest.mark.gen_test(run_sync=False)
def test_not_run_sync(io_loop):
    yield gen.sleep(0)


def test_run_sync(io_loop, http_client, base_url):
    assert io_loop.run_sync(lambda: http_client.fetch(base_url)).code == 200


def test_server(http_server, http_port):
    assert http_port > 0
    assert tornado.version_info[:2] == (6, 6)


@pytest.mark.gen_test
def test_return_value(http_client):
    yield [gen.moment, gen.sleep(0.001)]
    raise gen.Return(3)
