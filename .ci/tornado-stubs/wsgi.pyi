# Written by .ci/stubs.py.
from tornadolike.wsgi import *
from types import TracebackType as TracebackType
import tornado as tornado
import typing as typing
