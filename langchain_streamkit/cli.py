"""``streamkit``, also ``python -m langchain_streamkit``: the commands and their options."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from typing import TYPE_CHECKING, Final

from langchain_streamkit import __version__
from langchain_streamkit.serve.listening import port_number
from langchain_streamkit.serve.protocols.names import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED: Final = ("fastapi", "limits", "prometheus_client", "uvicorn")
_EXAMPLE: Final = """\
example:
  streamkit serve agent.py:graph --log sqlite:///runs.db
  curl -N http://127.0.0.1:8000/runs -H 'content-type: application/json' -d '{"input": "Hello"}'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    options.given = given
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        print(
            f"streamkit: serve needs {', '.join(missing)}; install it with:"
            f' {shlex.quote(sys.executable)} -m pip install "langchain-streamkit[serve]"',
            file=sys.stderr,
        )
        return 1
    from langchain_streamkit.serve.command import serve

    return serve(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamkit",
        description="Runs of LangChain and LangGraph as one stream of typed events.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="serve")
    serve = commands.add_parser(
        "serve",
        help="serve a graph over HTTP: server-sent events and WebSocket",
        description="Serve a graph over HTTP: runs outlive their readers, who resume where they"
        " were.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = serve.add_argument
    add(
        "target",
        metavar="module_or_file:name",
        help="a Runnable, such as a compiled graph; or a function that returns one: without"
        " arguments (called once) or of the request (called for each run), plain, async, or an"
        " async context manager",
    )
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=port_number, default=8000, help="port, 0 for a free one (%(default)s)")
    add(
        "--log",
        metavar="URL",
        default="memory://",
        help="where runs are kept: memory://, sqlite:///runs.db, redis://host/0 (%(default)s)",
    )
    add(
        "--auth",
        metavar="module:function",
        help="function of the request that returns the user's id, or None: 401",
    )
    add(
        "--view",
        choices=("chat", "steps", "all"),
        default="chat",
        help="what clients see of a run (%(default)s)",
    )
    add(
        "--protocol",
        dest="protocols",
        choices=PROTOCOLS,
        action="append",
        help="what front ends may speak; repeatable, all by default",
    )
    add("--name", help="what is served is called, as a model or an agent (its own name)")
    add(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="pages of which other origin may use it, such as https://app.example; repeatable",
    )
    add(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that it is called by through a proxy, where it listens on this machine alone"
        " and without --auth; repeatable",
    )
    add("--metrics", action="store_true", help="answer GET /metrics, for Prometheus")
    add(
        "--on-disconnect",
        choices=("continue", "cancel"),
        default="continue",
        help="what becomes of a run whose last reader has left (%(default)s)",
    )
    add(
        "--on-busy",
        choices=("reject", "queue", "cancel"),
        default="reject",
        help="what becomes of a run whose thread has one already (%(default)s)",
    )
    add(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="how long runs may go on after SIGTERM or Ctrl-C (%(default)s)",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("a grace is a number of seconds, 0 or more")
    return value
