# Written by .ci/stubs.py.
from tornadolike.access_log import *
