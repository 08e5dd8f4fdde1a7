# Written by .ci/stubs.py.
from tornadolike.util import *
from inspect import getfullargspec as getfullargspec
from re import Match as Match
import array as array
import asyncio as asyncio
import os as os
import typing as typing
