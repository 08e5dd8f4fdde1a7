"""A report of any length, sent while it is computed.

    GET /report.csv?rows=1000000

Nothing is collected: a block of rows is written, and the next one is computed when the kernel has taken it. A slow client
slows the computation down instead of filling the memory, and one that leaves ends it.
"""

import asyncio
import itertools

from tornado.iostream import StreamClosedError
from tornado.options import define, options, parse_command_line
from tornado.web import Application, HTTPError, RequestHandler

define("port", default=8888, help="TCP port to listen on")

BLOCK = 1000
MOST = 100_000_000


def rows(count):
    for number in range(1, count + 1):
        yield f"{number},{number * number}\n"


class ReportHandler(RequestHandler):
    async def get(self):
        argument = self.get_argument("rows", "1000")
        if not argument.isdecimal() or int(argument) > MOST:
            raise HTTPError(400, reason=f"rows must be a number up to {MOST}")
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="report.csv"')
        self.write("number,square\n")
        report = rows(int(argument))
        try:
            while block := list(itertools.islice(report, BLOCK)):
                self.write("".join(block))
                await self.flush()
                await asyncio.sleep(0)  # flush() is done at once while the kernel takes everything: let others have their turn
        except StreamClosedError:
            print("the client has gone", flush=True)


def make_app():
    return Application([(r"/report\.csv", ReportHandler)])


async def main():
    parse_command_line()
    make_app().listen(options.port)
    print(f"http://127.0.0.1:{options.port}/report.csv answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
