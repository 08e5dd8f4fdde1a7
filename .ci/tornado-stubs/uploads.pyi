# Written by .ci/stubs.py.
from tornadolike.uploads import *
