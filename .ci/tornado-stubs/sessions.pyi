# Written by .ci/stubs.py.
from tornadolike.sessions import *
