# Written by .ci/stubs.py.
from tornadolike.http1connection import *
from tornadolike.http1connection import _QuietException as _QuietException
from tornadolike.concurrent import future_add_done_callback as future_add_done_callback
from tornadolike.escape import native_str as native_str
from tornadolike.escape import utf8 as utf8
from tornadolike.util import GzipDecompressor as GzipDecompressor
from typing import Optional as Optional
from typing import Type as Type
from typing import cast as cast
import logging as logging
import types as types
import zlib as zlib
