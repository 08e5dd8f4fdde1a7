# Written by .ci/stubs.py.
from tornadolike.template import *
from collections.abc import Iterable as Iterable
from io import StringIO as StringIO
from tornadolike.util import ObjectDict as ObjectDict
from tornadolike.util import exec_in as exec_in
from tornadolike.util import unicode_type as unicode_type
from typing import ContextManager as ContextManager
from typing import Optional as Optional
from typing import TextIO as TextIO
import datetime as datetime
import re as re
import typing as typing
