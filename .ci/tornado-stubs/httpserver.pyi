# Written by .ci/stubs.py.
from tornadolike.httpserver import *
from tornadolike.httpserver import _HTTPRequestContext as _HTTPRequestContext
import typing as typing
