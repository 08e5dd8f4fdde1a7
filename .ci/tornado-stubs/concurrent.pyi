# Written by .ci/stubs.py.
from tornadolike.concurrent import *
import sys as sys
import typing as typing
