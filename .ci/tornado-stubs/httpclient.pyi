# Written by .ci/stubs.py.
from tornadolike.httpclient import *
from tornadolike.httpclient import _RequestProxy as _RequestProxy
from typing import Optional as Optional
from typing import Type as Type
from typing import Union as Union
import datetime as datetime
