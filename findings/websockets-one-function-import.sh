#!/bin/sh
# websockets 17.4: its compiled mask, websockets.speedups.apply_mask, is what other WebSocket implementations borrow from it: one C function
# without any import of its own. To get it, the package's __init__ runs first, and that imports websockets.version, which imports
# importlib.metadata for the case that it is no release; a release has its version as a constant and never asks. So "from
# websockets.speedups import apply_mask" brings importlib.metadata and with it email, zipfile, csv, tempfile and their like: a hundred modules, some 10 ms.
# Who wants the function only, at the start of a server or a command, should import it when the first frame has to be masked.
#
# Seen with Python 3.11.7 on Linux 6:
#     modules for one function: 107 {'importlib.metadata': True, 'email.message': True, 'zipfile': True}
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q websockets==17.4
"$directory/venv/bin/python" -P - <<'PROGRAM'
import sys

before = set(sys.modules)
from websockets.speedups import apply_mask

brought = set(sys.modules) - before
assert apply_mask(b"\1\2", b"\1\2\3\4") == b"\0\0"
heavy = {name: name in brought for name in ("importlib.metadata", "email.message", "zipfile")}
print("modules for one function:", len(brought), heavy)
sys.exit(0 if len(brought) > 60 and all(heavy.values()) else 1)
PROGRAM
