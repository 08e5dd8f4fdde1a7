"""``tornadolike bench [APP.py --url PATH]``: what serving the same application costs on Tornado and on tornadolike."""

import argparse

from tornadolike._cli import output


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "bench",
        help="compare Tornado and tornadolike, with built-in scenarios or with your application",
        description="Serve the same application on every candidate {Tornado, tornadolike} x {event loops} x {HTTP engines}, each in a "
        "process of its own on the loopback interface, in interleaved rounds; report server CPU, speed, latency and memory.",
        usage="tornadolike bench [APP.py --url PATH [--method POST] [--body FILE]]\n                         [options] [-- ARGS ...]",
        epilog="What stands behind -- goes to APP.py.\n"
        "Exit status: 0 when everything was measured, answers were right and floors hold; 1 when not; 2 for a wrong command line; "
        "130 for Ctrl-C.",
    )
    _add_request(parser)
    _add_run(parser)
    parser.set_defaults(execute=execute)


def _add_request(parser: argparse.ArgumentParser) -> None:
    """A program of the user's, and what to ask it for."""
    parser.add_argument("application", metavar="APP.py", nargs="?", help="your own program, unchanged (default: the built-in scenarios)")
    parser.add_argument("--url", metavar="PATH", help="what to ask your program for, such as /items?page=2")
    parser.add_argument("--method", default=None, help="default: GET, POST with --body")
    parser.add_argument("--body", metavar="FILE", help="file with the request's body")
    parser.add_argument("--header", metavar="NAME:VALUE", action="append", default=[], help="header of the request; may be repeated")
    parser.add_argument("--port", type=int, help="the port your program listens on, where it has several (default: the first)")


def _add_run(parser: argparse.ArgumentParser) -> None:
    """What is measured, how long, and where the figures go."""
    parser.add_argument("--list", action="store_true", help="list the built-in scenarios and the candidates, measure nothing")
    parser.add_argument("--scenario", metavar="NAME", action="append", default=[], help="only this built-in scenario; may be repeated")
    parser.add_argument(
        "--candidate", metavar="TEXT", action="append", default=[], help="only candidates whose name contains TEXT; may be repeated"
    )
    parser.add_argument("--peers", action="store_true", help="also aiohttp, and Starlette on uvicorn, where installed")
    parser.add_argument(
        "--asgi",
        action="store_true",
        help="also our application on uvicorn, and an ASGI application with nothing around it on uvicorn and on our server "
        "(scenarios hello and ws-64)",
    )
    parser.add_argument(
        "--targets", action="store_true", help="the scenarios for which there is a target, with --peers, and the verdict on each target"
    )
    parser.add_argument(
        "--growth", action="store_true", help="how cost grows with headers, body, pipelined requests, connections (with --targets: too)"
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="work of every module beside Tornado's, in one process and over HTTP (--scenario TEXT: only what has it in its name); "
        "fails where a ratio lies below its floor",
    )
    parser.add_argument("--rounds", type=int, help="rounds per candidate (default 5)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        help="length of a round (default 1; wrk takes whole seconds, so less than 1 is for the built-in load)",
    )
    parser.add_argument("--connections", type=int, default=64, help="busy connections (default 64)")
    parser.add_argument("--quick", action="store_true", help="two rounds, 1,000 connections instead of 10,000: a first impression")
    parser.add_argument(
        "--load", choices=["auto", "wrk", "builtin"], default="auto", help="where HTTP load comes from (auto: wrk if installed)"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with charts")
    output.add_json(parser, "all figures")


def execute(arguments: argparse.Namespace) -> int:
    """Measure; 1: a candidate could not be measured or answered wrongly, or a floor does not hold, 2: wrong usage."""
    # Here, not above: none of it belongs into the processes of other commands, least of all into those that are measured.
    from tornadolike._bench import command
    from tornadolike._http1 import select
    from tornadolike._loop import factory

    return command.execute(arguments, factory.names(), select.names())
