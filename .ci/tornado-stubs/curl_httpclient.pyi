# Written by .ci/stubs.py.
from tornadolike.curl_httpclient import *
from tornado import ioloop as ioloop
from tornadolike.escape import utf8 as utf8
import collections as collections
