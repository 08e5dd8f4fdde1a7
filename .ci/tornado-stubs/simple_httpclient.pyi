# Written by .ci/stubs.py.
from tornadolike.simple_httpclient import *
from typing import Optional as Optional
from typing import Type as Type
import base64 as base64
import collections as collections
import re as re
import urllib as urllib
