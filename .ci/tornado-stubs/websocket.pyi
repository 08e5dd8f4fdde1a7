# Written by .ci/stubs.py.
from tornadolike.websocket import *
from tornadolike.websocket import _PerMessageDeflateCompressor as _PerMessageDeflateCompressor
from tornadolike.websocket import _PerMessageDeflateDecompressor as _PerMessageDeflateDecompressor
from tornadolike.websocket import _WebSocketDelegate as _WebSocketDelegate
from tornadolike.websocket import _default_max_message_size as _default_max_message_size
from tornadolike.concurrent import future_add_done_callback as future_add_done_callback
from tornadolike.escape import to_unicode as to_unicode
from tornadolike.util import _websocket_mask as _websocket_mask
from typing import Optional as Optional
from typing import Type as Type
from typing import Union as Union
import hashlib as hashlib
import struct as struct
import tornado as tornado
import zlib as zlib
