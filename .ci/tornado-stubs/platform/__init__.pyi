# Written by .ci/stubs.py.
from tornadolike.platform import *
