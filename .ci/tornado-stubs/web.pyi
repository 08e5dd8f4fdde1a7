# Written by .ci/stubs.py.
from tornadolike.web import *
from tornadolike.web import _ARG_DEFAULT as _ARG_DEFAULT
from tornadolike.web import _ApplicationRouter as _ApplicationRouter
from tornadolike.web import _ArgDefaultMarker as _ArgDefaultMarker
from tornadolike.web import _UIModuleNamespace as _UIModuleNamespace
from tornadolike.web import _create_signature_v1 as _create_signature_v1
from tornadolike.web import _create_signature_v2 as _create_signature_v2
from tornadolike.web import _has_stream_request_body as _has_stream_request_body
from inspect import isclass as isclass
from io import BytesIO as BytesIO
from tornado import locale as locale
from tornadolike.util import _websocket_mask as _websocket_mask
from tornadolike.util import unicode_type as unicode_type
from types import TracebackType as TracebackType
from typing import Optional as Optional
from typing import Type as Type
from typing import Union as Union
from urllib.parse import urlencode as urlencode
import base64 as base64
import binascii as binascii
import datetime as datetime
import email as email
import gzip as gzip
import http as http
import string as string
import tornado as tornado
