# Written by .ci/stubs.py.
from tornadolike.platform.asyncio import *
from typing import Union as Union
import errno as errno
import select as select
import socket as socket
import threading as threading
import typing as typing
