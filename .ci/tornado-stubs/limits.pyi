# Written by .ci/stubs.py.
from tornadolike.limits import *
