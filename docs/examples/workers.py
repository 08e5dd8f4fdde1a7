"""Work behind the answer: requests put jobs into a queue, a few workers do them, and the end waits for what was begun.

    POST /jobs   number=N   202 and where to ask; 503 while the queue is full
    GET  /jobs/1            {"state": "waiting" | "working" | "done", "factors": [...]}

SIGTERM ends it well: no new connections, the jobs that are in the queue are finished, then it exits.
"""

import asyncio
import itertools
import signal

from tornado.httpserver import HTTPServer
from tornado.options import define, options, parse_command_line
from tornado.queues import Queue, QueueFull
from tornado.web import Application, HTTPError, RequestHandler

define("port", default=8888, help="TCP port to listen on")
define("workers", default=4, help="how many jobs are worked on at a time")

LARGEST = 10**12


def factorise(number):
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return [*factors, number] if number > 1 else factors


class Jobs:
    def __init__(self, waiting=1000):
        self.queue = Queue(maxsize=waiting)
        self.states = {}
        self._numbers = itertools.count(1)

    def add(self, number):
        """The id of a new job. Raises QueueFull."""
        identity = next(self._numbers)
        self.queue.put_nowait((identity, number))
        self.states[identity] = {"state": "waiting"}
        return identity

    async def work(self):
        """One worker. Computing blocks, so it is done on a thread."""
        async for identity, number in self.queue:
            self.states[identity] = {"state": "working"}
            factors = await asyncio.get_running_loop().run_in_executor(None, factorise, number)
            self.states[identity] = {"state": "done", "factors": factors}
            self.queue.task_done()


class JobsHandler(RequestHandler):
    def initialize(self, jobs):
        self.jobs = jobs

    def post(self):
        number = self.get_body_argument("number")
        if not number.isdecimal() or not 2 <= int(number) <= LARGEST:
            raise HTTPError(400, reason=f"number must be from 2 to {LARGEST}")
        try:
            identity = self.jobs.add(int(number))
        except QueueFull:
            self.set_header("Retry-After", "5")
            raise HTTPError(503) from None
        self.set_status(202)
        self.set_header("Location", f"/jobs/{identity}")


class JobHandler(RequestHandler):
    def initialize(self, jobs):
        self.jobs = jobs

    def get(self, identity):
        state = self.jobs.states.get(int(identity))
        if state is None:
            raise HTTPError(404)
        self.write(state)


def make_app(jobs):
    return Application([(r"/jobs", JobsHandler, {"jobs": jobs}), (r"/jobs/([0-9]{1,18})", JobHandler, {"jobs": jobs})])


async def main():
    parse_command_line()
    jobs = Jobs()
    workers = [asyncio.create_task(jobs.work()) for _ in range(options.workers)]
    server = HTTPServer(make_app(jobs))
    server.listen(options.port)
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    print(f"http://127.0.0.1:{options.port}/jobs answers", flush=True)
    await ending.wait()
    server.stop()
    await jobs.queue.join()
    await server.close_all_connections()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    print(f"ended with {len(jobs.states)} jobs done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
