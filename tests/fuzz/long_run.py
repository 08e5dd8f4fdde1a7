"""``python tests/fuzz/long_run.py TARGET [CORPUS_DIRECTORY] [libFuzzer options]``: fuzz one target until it fails. Needs atheris."""

import sys

import atheris

with atheris.instrument_imports(include=["tornadolike"]):
    import targets

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, targets.TARGETS[name])
    atheris.Fuzz()
