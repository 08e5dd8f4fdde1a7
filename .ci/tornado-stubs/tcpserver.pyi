# Written by .ci/stubs.py.
from tornadolike.tcpserver import *
from tornadolike.util import errno_from_exception as errno_from_exception
