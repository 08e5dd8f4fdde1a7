# Written by .ci/stubs.py.
from tornadolike.sse import *
