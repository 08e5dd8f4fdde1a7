"""``python tests/fuzz/long_run.py TARGET [libFuzzer options] [DIRECTORY]``: fuzz one target until it fails. Needs atheris.

It begins with the corpus in the repository and, where given, with what former runs left in DIRECTORY; new inputs go there.
``-max_total_time=300`` ends it after so many seconds. An input that fails is left in ``crash-...``: mend what it shows, then
put it into ``tests/fuzz/corpus/TARGET`` under a name that says what it was.
"""

import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["tornadolike"]):
    import targets


def main() -> None:
    name, *arguments = sys.argv[1:]
    if not any(not argument.startswith("-") for argument in arguments):
        arguments.append(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    atheris.Setup([sys.argv[0], *arguments, str(targets.CORPUS / name)], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
