# Written by .ci/stubs.py.
from tornadolike.hub import *
