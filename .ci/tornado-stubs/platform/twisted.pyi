# Written by .ci/stubs.py.
from tornadolike.platform.twisted import *
from tornadolike.concurrent import future_set_exc_info as future_set_exc_info
from twisted.python import failure as failure
import sys as sys
import typing as typing
