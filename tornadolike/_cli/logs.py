"""Logging as the command line asks for it."""

import json
import logging
import logging.config
import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any


def configure(path: str | None, level: str | None, access: str | None) -> None:
    """Set up logging from a file, or on stderr from a level on; and the access log, if it is chosen. Raises `SystemExit`."""
    if path is not None:
        try:
            _from_file(path)
        except Exception as error:
            reason = error.__cause__ or error
            text = " ".join(f"{error}{f': {reason}' if reason is not error else ''}".split())
            print(f"tornadolike run: --log-config: {path}: {text}", file=sys.stderr)  # noqa: T201
            sys.exit(2)
    elif level is not None:
        _on_stderr(level)
    if path is not None and level is not None:
        logging.getLogger().setLevel(level.upper())
    if access is not None:
        from tornadolike import access_log

        if access != "off":
            _append_to_stdout()
        access_log.replace_default(access)


def _append_to_stdout() -> None:
    """Where standard output is a file, write at its end, wherever that is: programs such as ``logrotate`` cut it to nothing meanwhile."""
    try:
        import fcntl

        number = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(number).st_mode):
            fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
    except (ImportError, AttributeError, OSError):
        pass  # another operating system, or no standard output


def reopen() -> None:
    """Let go of the files that logs are written to: with its next line each is opened by its name, where another may lie by now."""
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    for handler in [handler for one in loggers for handler in one.handlers]:
        if not isinstance(handler, logging.FileHandler) or handler.stream is None:
            continue
        handler.acquire()
        try:
            handler.stream.close()
            handler.stream = None  # as logging has it where a file is opened late
            handler.mode = "a"  # else a file that somebody has put there would be emptied
        finally:
            handler.release()


def _on_stderr(level: str) -> None:
    from tornadolike.log import LogFormatter

    root = logging.getLogger()
    root.setLevel(level.upper())
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    root.addHandler(handler)


def _from_file(path: str) -> None:
    kind = Path(path).suffix.lower()
    if kind in (".json", ".toml", ".yaml", ".yml"):
        settings = _read(Path(path), kind)
        if not isinstance(settings, dict):
            raise ValueError("not a dictionary for logging.config.dictConfig")
        settings.setdefault("disable_existing_loggers", False)  # ours exist already
        logging.config.dictConfig(settings)
    else:
        logging.config.fileConfig(path, disable_existing_loggers=False)


def _read(path: Path, kind: str) -> Any:
    text = path.read_text(encoding="utf-8")
    if kind == ".json":
        return json.loads(text)
    if kind == ".toml":
        return tomllib.loads(text)
    try:
        import yaml
    except ImportError:
        raise ValueError("YAML needs the package PyYAML: pip install 'tornadolike[run]'") from None
    return yaml.safe_load(text)
