#!/bin/sh
# CPU for a multipart form whose file is rich in line ends, by the size of the pieces in which it comes.
#
#   CPython 3.11.7              pieces of 64 KiB    pieces of 16 KiB
#   python-multipart 0.0.34     about 0.3 ms/MB     about 3 ms/MB
#   multipart 2.0.1             about 0.3 ms/MB     about 3 ms/MB
#
# Ten times as much for the same bytes. It is bytes.find of the delimiter, in which both look for it: below 30,000 bytes CPython goes on
# byte by byte wherever the next byte occurs in what is looked for; above, it takes another algorithm. A server that reads 16 KiB at a
# time pays, one that reads 64 KiB does not. Exits with 1 if smaller pieces do not cost three times as much any more.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q python-multipart==0.0.34 multipart==2.0.1 2>/dev/null
cat > "$here/cost.py" <<'PY'
import time

from multipart import PushMultipartParser
from python_multipart.multipart import MultipartParser

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'.encode()
FORM = HEAD + b"\r\n--" * (4 * 262144) + f"\r\n--{BOUNDARY}--\r\n".encode()


def python_multipart(pieces):
    parser = MultipartParser(BOUNDARY, {})
    for piece in pieces:
        parser.write(piece)
    parser.finalize()


def multipart(pieces):
    with PushMultipartParser(BOUNDARY) as parser:
        for piece in pieces:
            for _ in parser.parse(piece):
                pass


def cost(parse, size):
    pieces = [FORM[at : at + size] for at in range(0, len(FORM), size)]
    found = []
    for _ in range(5):
        started = time.process_time()
        parse(pieces)
        found.append(time.process_time() - started)
    return min(found) * 1000 / (len(FORM) / 1e6)


status = 0
for parse in (python_multipart, multipart):
    large, small = cost(parse, 65536), cost(parse, 16384)
    print(f"{parse.__name__}: {large:.2f} ms/MB in 64 KiB, {small:.2f} in 16 KiB: {small / large:.1f} times")
    status |= small < 3 * large
raise SystemExit(status)
PY
"$here/venv/bin/python" "$here/cost.py"
