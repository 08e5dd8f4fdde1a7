# Written by .ci/stubs.py.
from tornadolike.locks import *
from tornado import gen as gen
from tornado import ioloop as ioloop
from tornadolike.concurrent import future_set_result_unless_cancelled as future_set_result_unless_cancelled
from typing import Optional as Optional
from typing import Type as Type
import collections as collections
import datetime as datetime
