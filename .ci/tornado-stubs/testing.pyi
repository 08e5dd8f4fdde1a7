# Written by .ci/stubs.py.
from tornadolike.testing import *
from tornadolike.util import basestring_type as basestring_type
from typing import Optional as Optional
from typing import Type as Type
from typing import Union as Union
import typing as typing
