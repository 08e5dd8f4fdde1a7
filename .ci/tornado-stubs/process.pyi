# Written by .ci/stubs.py.
from tornadolike.process import *
from binascii import hexlify as hexlify
import asyncio as asyncio
import multiprocessing as multiprocessing
import signal as signal
import time as time
