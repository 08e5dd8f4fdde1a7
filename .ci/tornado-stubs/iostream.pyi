# Written by .ci/stubs.py.
from tornadolike.iostream import *
from tornadolike.iostream import _ERRNO_CONNRESET as _ERRNO_CONNRESET
from tornadolike.iostream import _StreamBuffer as _StreamBuffer
from re import Pattern as Pattern
from tornadolike.util import errno_from_exception as errno_from_exception
import asyncio as asyncio
import collections as collections
import numbers as numbers
import re as re
import typing as typing
