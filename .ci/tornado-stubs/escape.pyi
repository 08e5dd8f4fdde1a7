# Written by .ci/stubs.py.
from tornadolike.escape import *
from tornadolike.escape import _unicode as _unicode
from tornadolike.util import unicode_type as unicode_type
import binascii as binascii
import html as html
import typing as typing
