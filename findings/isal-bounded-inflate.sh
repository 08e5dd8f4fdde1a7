#!/bin/sh
# The loop that zlib's documentation gives for output of bounded size, with isal.isal_zlib, which is offered as a drop-in replacement:
#
#     while rest: out += d.decompress(rest, 1000); rest = d.unconsumed_tail
#
#   zlib (Python 3.11.7)      24000 of 24000 bytes
#   isal 1.9.1, isal_zlib     1000 of 24000: it has taken all of the input in, so that the tail is empty, and keeps the rest of the
#                             output back until decompress(b"", n) is called again
#
# Seen with valid gzip of which the trailer has not come yet, as on a connection that is open. Whoever bounds memory in this way reads
# the beginning of a body. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q isal==1.9.1 2>/dev/null
cat > "$here/inflate.py" <<'PY'
import zlib

from isal import isal_zlib

data = b"abc de" * 4000
packed = zlib.compress(data, 6, 31)[:-8]
read = {}
for module in (zlib, isal_zlib):
    inflater, length, rest = module.decompressobj(31), 0, packed
    while rest:
        length += len(inflater.decompress(rest, 1000))
        rest = inflater.unconsumed_tail
    read[module.__name__] = length, len(inflater.decompress(b"", 1000))
print(read)
raise SystemExit(read != {"zlib": (24000, 0), "isal.isal_zlib": (1000, 1000)})
PY
"$here/venv/bin/python" "$here/inflate.py"
