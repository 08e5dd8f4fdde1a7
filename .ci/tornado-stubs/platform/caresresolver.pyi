# Written by .ci/stubs.py.
from tornadolike.platform.caresresolver import *
import typing as typing
