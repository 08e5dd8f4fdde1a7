# Written by .ci/stubs.py.
from tornadolike.gunicorn import *
