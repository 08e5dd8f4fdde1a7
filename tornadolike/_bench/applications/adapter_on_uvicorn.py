"""The Tornado application of the built-in scenarios on uvicorn, by `ASGIAdapter`."""

import importlib
import tempfile

from tornadolike import _alias, asgi

if __name__ == "__main__":
    _alias.install()
    with tempfile.TemporaryDirectory() as directory:
        application = importlib.import_module("tornado_application").make_application(directory)
        importlib.import_module("asgi_on_uvicorn").serve(asgi.ASGIAdapter(application))
