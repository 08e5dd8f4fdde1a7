# Written by .ci/stubs.py.
from tornadolike.auth import *
from tornadolike.httputil import responses as responses
from tornadolike.util import unicode_type as unicode_type
import binascii as binascii
import re as re
import uuid as uuid
