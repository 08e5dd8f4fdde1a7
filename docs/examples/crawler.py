"""Look for broken links of one site: a few workers fetch pages and put the links they find into a queue.

    python crawler.py http://127.0.0.1:8000/

prints every address that was fetched with its status, and exits with 1 where one of them is broken.
"""

import asyncio
import html.parser
import sys
from urllib.parse import urldefrag, urljoin, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.queues import Queue

WORKERS = 8
MOST_PAGES = 1000


class Links(html.parser.HTMLParser):
    """The targets of a page's links."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def handle_starttag(self, tag, attrs):
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.targets.append(target)


def links(address, text):
    parser = Links()
    parser.feed(text)
    return {urldefrag(urljoin(address, target))[0] for target in parser.targets}


class Crawler:
    def __init__(self, start):
        self.found = {}  # address -> status
        self._site = urlsplit(start)[:2]
        self._queue = Queue()
        self._seen = set()
        self._client = AsyncHTTPClient(max_clients=WORKERS)
        self._add(start)

    def _add(self, address):
        if urlsplit(address)[:2] == self._site and address not in self._seen and len(self._seen) < MOST_PAGES:
            self._seen.add(address)
            self._queue.put_nowait(address)

    async def run(self):
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        await self._queue.join()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return self.found

    async def _work(self):
        async for address in self._queue:
            try:
                await self._visit(address)
            finally:
                self._queue.task_done()

    async def _visit(self, address):
        try:
            # raise_error=False: an answer with an error is an answer; without any answer, there is still an exception.
            response = await self._client.fetch(address, raise_error=False, connect_timeout=5, request_timeout=20)
        except (OSError, HTTPClientError):
            self.found[address] = "no answer"
            return
        self.found[address] = response.code
        if response.code == 200 and response.headers.get("Content-Type", "").startswith("text/html"):
            for target in links(response.effective_url, response.body.decode("utf-8", "replace")):
                self._add(target)


async def main(start):
    found = await Crawler(start).run()
    for address, status in sorted(found.items()):
        print(status, address)
    return 0 if all(status == 200 for status in found.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
