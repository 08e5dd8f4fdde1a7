"""Files of prometheus-client's multiprocess mode that belong to workers which have ended.

Left alone they stay for ever, a set for each worker that ever lived; taken away, the sums would go back. So the counters and
histograms of the dead are added up in one file, of a process that never was.
"""

import contextlib
import glob
import json
import os
from typing import Any

_SUMMED = ("counter", "histogram", "summary")
_NOBODY = 0


def retire(directory: str, pid: int) -> None:
    """Take the files of a process that has ended away, and keep its sums."""
    for path in glob.glob(os.path.join(glob.escape(directory), f"*_{pid}.db")):
        kind = os.path.basename(path).partition("_")[0]
        if kind in _SUMMED:
            _add(path, os.path.join(directory, f"{kind}_{_NOBODY}.db"))
        with contextlib.suppress(OSError):
            os.remove(path)


def _add(path: str, into: str) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    files: Any = MmapedDict
    total = files(into)
    try:
        for key, value, timestamp, *_ in files.read_all_values_from_file(path):
            if value:
                json.loads(key)  # a key that was cut off in the middle of a write is none
                before, _ = total.read_value(key)
                total.write_value(key, before + value, timestamp)
    except ValueError:
        pass
    finally:
        total.close()
