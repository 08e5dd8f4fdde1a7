"""A Tornado application as Tornado's users write it; it runs on Tornado and on tornadolike."""

import tornado.ioloop
import tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world\n")


def make_app():
    return tornado.web.Application([(r"/", Hello)])


if __name__ == "__main__":
    make_app().listen(8888)
    print("http://127.0.0.1:8888/ answers; Ctrl-C ends", flush=True)
    tornado.ioloop.IOLoop.current().start()
