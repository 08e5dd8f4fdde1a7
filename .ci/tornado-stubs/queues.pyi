# Written by .ci/stubs.py.
from tornadolike.queues import *
from __future__ import annotations as annotations
from tornado import ioloop as ioloop
from tornadolike.concurrent import future_set_result_unless_cancelled as future_set_result_unless_cancelled
import collections as collections
import datetime as datetime
