# Written by .ci/stubs.py.
from tornadolike.gen import *
from collections.abc import Iterable as Iterable
from tornadolike.concurrent import chain_future as chain_future
from tornadolike.concurrent import future_add_done_callback as future_add_done_callback
from tornadolike.concurrent import future_set_exc_info as future_set_exc_info
from typing import Dict as Dict
from typing import List as List
from typing import Tuple as Tuple
from typing import Type as Type
import builtins as builtins
import collections as collections
import datetime as datetime
import sys as sys
import typing as typing
