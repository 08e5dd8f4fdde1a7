# Written by .ci/stubs.py.
from tornadolike.httputil import *
from tornadolike.httputil import _get_content_range as _get_content_range
from tornadolike.httputil import _normalize_header as _normalize_header
from tornadolike.httputil import _parse_header as _parse_header
from tornadolike.httputil import _parse_request_range as _parse_request_range
from tornadolike.httputil import _parseparam as _parseparam
from http.client import responses as responses
from tornadolike.util import unicode_type as unicode_type
from typing import AnyStr as AnyStr
from urllib.parse import parse_qsl as parse_qsl
from urllib.parse import urlencode as urlencode
from urllib.parse import urlparse as urlparse
from urllib.parse import urlunparse as urlunparse
import calendar as calendar
import copy as copy
import datetime as datetime
import email as email
import http as http
import re as re
