# Written by .ci/stubs.py.
from tornadolike.simple_httpclient import *
from tornadolike import version as version
from typing import Optional as Optional
from typing import Type as Type
import base64 as base64
import collections as collections
import copy as copy
import re as re
import urllib as urllib
