# Written by .ci/stubs.py.
from tornadolike.netutil import *
from tornadolike.util import errno_from_exception as errno_from_exception
import errno as errno
import functools as functools
import stat as stat
