#!/bin/sh
# tornado.log.LogFormatter named by "class" in a configuration for logging.config: the way that Python's documentation shows first.
#
#   tornado 6.6.1, Python 3.11.7   every line that is logged becomes "--- Logging error ---" with
#                                  TypeError: unsupported operand type(s) for %: 'NoneType' and 'dict'
#
# `dictConfig` calls a "class" with the format, the date format and the style that stand in the table, and with None for what does not. For
# logging.Formatter None means its default; LogFormatter takes it as the format. Named by "()" (a factory, called with what stands
# there and no more) it works. `fileConfig` has only "class", so that a .ini file must spell the format out.
# Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q tornado==6.6.1 2>/dev/null
cat > "$here/log.py" <<'PY'
import logging.config
import sys

formatter = {sys.argv[1]: "tornado.log.LogFormatter"}
logging.config.dictConfig({
    "version": 1,
    "formatters": {"lines": formatter},
    "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"level": "INFO", "handlers": ["err"]},
})
logging.info("a line")
PY
by_class=$("$here/venv/bin/python" "$here/log.py" class 2>&1 | tr '\n' ' ')
by_factory=$("$here/venv/bin/python" "$here/log.py" "()" 2>&1)
echo "class: $by_class"
echo "():    $by_factory"
case $by_class in *"--- Logging error ---"*"unsupported operand type(s) for %: 'NoneType' and 'dict'"*) ;; *) exit 1 ;; esac
case $by_factory in *"log:11] a line"*) ;; *) exit 1 ;; esac
