"""A test of one fetch."""

import logging
from typing import Any

from tornadolike._bench.works.registry import Run, sibling, work


@work("testing: AsyncHTTPTestCase, a test of one fetch")
def _tested(testing: Any) -> Run:
    web = sibling(testing, "web")
    logging.getLogger("tornado.access").disabled = True

    class Case(testing.AsyncHTTPTestCase):
        def get_app(self) -> Any:
            return web.Application([("/", web.RedirectHandler, {"url": "/x"}), ("/x", web.ErrorHandler, {"status_code": 200})])

        def test_one(self) -> None:
            assert self.fetch("/", follow_redirects=False).code == 301

    def run(n: int) -> None:
        for _ in range(n):
            result = Case("test_one").run()
            assert result is not None
            assert result.wasSuccessful(), result

    return run
