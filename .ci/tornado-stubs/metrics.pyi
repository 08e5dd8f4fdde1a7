# Written by .ci/stubs.py.
from tornadolike.metrics import *
