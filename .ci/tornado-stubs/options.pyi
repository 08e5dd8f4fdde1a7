# Written by .ci/stubs.py.
from tornadolike.options import *
from tornadolike.escape import _unicode as _unicode
from tornadolike.escape import native_str as native_str
from tornadolike.util import basestring_type as basestring_type
import datetime as datetime
