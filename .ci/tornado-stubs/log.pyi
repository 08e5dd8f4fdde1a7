# Written by .ci/stubs.py.
from tornadolike.log import *
from tornadolike.escape import _unicode as _unicode
from tornadolike.util import basestring_type as basestring_type
from tornadolike.util import unicode_type as unicode_type
from typing import cast as cast
