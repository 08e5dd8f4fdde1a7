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
from tornadolike.concurrent import future_set_result_unless_cancelled as future_set_result_unless_cancelled
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
import hashlib as hashlib
import hmac as hmac
import http as http
import mimetypes as mimetypes
import string as string
import tornado as tornado
import urllib as urllib
