"""``python -m tornadolike``: the command line."""

import os
import sys
from collections.abc import Sequence

import tornadolike
from tornadolike._cli import alias, bench, check, parsing, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (by default the process's own arguments) names; returns the exit status."""
    parser, commands = build()
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-") and words[0] not in commands:
        parser.error(f"no such command: {words[0]}{parsing.nearest(words[0], commands)}; there are {', '.join(commands)}")
    if not words:
        parser.error(f"what is to be done? {', '.join(commands)}")
    own, program = _split(words, commands)
    arguments, unknown = parser.parse_known_args(own)
    if unknown:
        commands[arguments.command].refuse_unknown(unknown[0])
    arguments.program_arguments = program
    arguments.divided = "--" in words
    try:
        status: int = arguments.execute(arguments)
        if arguments.command != "run":
            sys.stdout.flush()
    except BrokenPipeError:
        if arguments.command == "run":
            raise  # the program's
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read, such as head, has seen enough
        return 0
    return status


def build() -> tuple[parsing.Parser, dict[str, parsing.Parser]]:
    """The parser of the whole command line, and those of its commands."""
    parser = parsing.Parser(
        prog="tornadolike",
        description="Tornado applications on tornadolike.",
        epilog="`tornadolike COMMAND --help` says more. `tornadolike --print-completion bash|zsh` prints what completes it in that shell.",
    )
    version = f"tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version})"
    parser.add_argument("--version", action="version", version=version)
    _add_completion(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=parsing.Parser)
    for command in (run, bench, check, alias):
        command.register(commands)
    return parser, commands.choices


def _add_completion(parser: parsing.Parser) -> None:
    try:
        import shtab
    except ImportError:
        parser.add_argument("--print-completion", metavar="SHELL", type=_no_completion, help="print a shell's completion (needs shtab)")
    else:
        shtab.add_argument_to(parser, "--print-completion", help="print what completes this command in a shell")


def _no_completion(shell: str) -> str:
    print("tornadolike: --print-completion needs the package shtab: pip install 'tornadolike[run]'", file=sys.stderr)  # noqa: T201
    sys.exit(parsing.USAGE_ERROR)


def _split(words: list[str], commands: dict[str, parsing.Parser]) -> tuple[list[str], list[str]]:
    """What of the words is ours, and what goes to the program that is run."""
    if words[:1] == ["run"]:
        own, program = parsing.split(words[1:], commands["run"]._option_string_actions)
        return ["run", *own], program
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
