# Written by .ci/stubs.py.
from tornadolike.asgi import *
