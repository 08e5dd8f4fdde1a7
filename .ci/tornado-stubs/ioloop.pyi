# Written by .ci/stubs.py.
from tornadolike.ioloop import *
from __future__ import annotations as annotations
from tornadolike.concurrent import future_set_exc_info as future_set_exc_info
from typing import TypedDict as TypedDict
import datetime as datetime
import math as math
import numbers as numbers
import random as random
import sys as sys
import typing as typing
