"""The same application in the form of ``asyncio.run``, with coroutines."""

import asyncio

import tornado.web


class Hello(tornado.web.RequestHandler):
    async def get(self):
        name = self.get_argument("name", "world")
        await asyncio.sleep(0)
        self.write(f"Hello, {name}\n")


async def main():
    tornado.web.Application([(r"/", Hello)]).listen(8888)
    print("http://127.0.0.1:8888/ answers; Ctrl-C ends", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
