"""Logging as the command line asks for it."""

import json
import logging
import logging.config
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
            print(f"tornadolike run: --log-config: {path}: {error}{f': {reason}' if reason is not error else ''}", file=sys.stderr)  # noqa: T201
            sys.exit(2)
    elif level is not None:
        _on_stderr(level)
    if path is not None and level is not None:
        logging.getLogger().setLevel(level.upper())
    if access is not None:
        from tornadolike import access_log

        access_log.replace_default(access)


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
