# Written by .ci/stubs.py.
from tornadolike.locale import *
from tornado import escape as escape
import csv as csv
import datetime as datetime
import gettext as gettext
import glob as glob
