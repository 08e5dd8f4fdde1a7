# Written by .ci/stubs.py.
from tornadolike.autoreload import *
import pkgutil as pkgutil
import weakref as weakref
