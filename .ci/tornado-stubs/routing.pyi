# Written by .ci/stubs.py.
from tornadolike.routing import *
from tornadolike.routing import _RuleList as _RuleList
from tornadolike.escape import utf8 as utf8
from tornadolike.util import basestring_type as basestring_type
from tornadolike.util import unicode_type as unicode_type
from typing import overload as overload
