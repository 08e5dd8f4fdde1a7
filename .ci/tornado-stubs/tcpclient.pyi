# Written by .ci/stubs.py.
from tornadolike.tcpclient import *
from collections.abc import Iterator as Iterator
from typing import Tuple as Tuple
import datetime as datetime
