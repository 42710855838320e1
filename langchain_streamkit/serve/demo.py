"""``python -m langchain_streamkit.serve.demo``: an agent with two tools, and a page to talk to it.

With ``OPENAI_API_KEY`` set (``OPENAI_BASE_URL`` and ``OPENAI_MODEL`` too, if wanted) the agent
speaks to the real provider. Without, the demo starts a scripted server of the OpenAI protocol and
the same client speaks to that. Either way each run is also shown in this terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import logging
import os
import shlex
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_streamkit.serve.listening import LOOPBACK, listen, no_listener, port_number

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Sequence

    from langchain_core.language_models import BaseChatModel

    from langchain_streamkit.serve.live_runs import LiveRuns
    from langchain_streamkit.tokens.prices import PriceTable

_INPUT, _OUTPUT = "0.40", "1.60"
EXAMPLE_PRICES: PriceTable = {"scripted": {"input": _INPUT, "output": _OUTPUT}}
"""What the script would cost if it were a small model; US dollars per million tokens."""
PRICES_SHOWN = f"example prices: ${_INPUT} in, ${_OUTPUT} out per million tokens"
DEFAULT_MODEL = "gpt-4.1-mini"
_NEEDED = {"langchain_openai": "openai", "starlette": "serve", "uvicorn": "serve"}
_MODULE = "langchain_streamkit.serve.demo"
_HOST = "127.0.0.1"


class Provider(NamedTuple):
    """The model the agent speaks to, and how to name it."""

    model: BaseChatModel
    kind: str
    name: str
    where: str
    prices: PriceTable | None = None
    """None: those of the extra ``cost``, where it is installed."""
    prices_shown: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; the exit code is 1 when it cannot."""
    options = _options(arguments)
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        extras = ",".join(sorted({_NEEDED[name] for name in missing}))
        print(
            f"The demo needs {' and '.join(missing)}. Install what is missing with:\n"
            f'    {shlex.quote(sys.executable)} -m pip install "langchain-streamkit[{extras}]"',
            file=sys.stderr,
        )
        return 1
    try:
        listener = listen(options.host, options.port)
    except OSError as exc:
        again = functools.partial(_again, options)
        print(no_listener(exc, options.host, options.port, again), file=sys.stderr)
        return 1
    with listener, _provider() as provider:
        _greet(options.host, listener.getsockname()[1], provider)
        _serve(listener, options.host, provider)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {_MODULE}",
        description="Serve an agent with two tools, and a page to talk to it.",
    )
    parser.add_argument("--host", default=_HOST, help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=port_number, default=8000, help="port, 0 for a free one (%(default)s)"
    )
    parser.add_argument("--by-make", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _again(options: argparse.Namespace, free: int) -> str:
    """The command that was called, with another port."""
    host = options.host
    if options.by_make:
        return f"make demo PORT={free}" + ("" if host == _HOST else f" HOST={shlex.quote(host)}")
    elsewhere = [] if host == _HOST else ["--host", host]
    return shlex.join([sys.executable, "-m", _MODULE, *elsewhere, "--port", str(free)])


@contextlib.contextmanager
def _provider() -> Generator[Provider]:
    """The real provider where there is a key, else a scripted one that lives as long as we do."""
    if key := os.environ.get("OPENAI_API_KEY"):
        name = os.environ.get("OPENAI_MODEL") or DEFAULT_MODEL
        where = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        yield Provider(_chat_model(name, where, key, proxies=True), "openai", name, where)
        return

    from langchain_streamkit.serve.demo_script import answer
    from langchain_streamkit.testing import scripted_provider

    with scripted_provider(answer) as scripted:
        where = scripted.base_url
        model = _chat_model("scripted", where, "none", proxies=False)  # it is on this machine
        yield Provider(model, "scripted", "scripted", where, EXAMPLE_PRICES, PRICES_SHOWN)


def _chat_model(name: str, base_url: str, key: str, *, proxies: bool) -> BaseChatModel:
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    # It warns that its own clients take no proxy from the environment, even when given others.
    os.environ.setdefault("LANGCHAIN_OPENAI_TCP_KEEPALIVE", "0")
    options: dict[str, Any] = {
        "model": name,
        "base_url": base_url,
        "api_key": key,
        # With a base URL it would be off, and there would be no token counts.
        "stream_usage": True,
        "http_client": DefaultHttpxClient(trust_env=proxies),
        "http_async_client": DefaultAsyncHttpxClient(trust_env=proxies),
    }
    return ChatOpenAI(**options)


def _greet(host: str, port: int, provider: Provider) -> None:
    shown = f"[{host}]" if ":" in host else host
    scripted = provider.kind == "scripted"
    print("langchain-streamkit demo")
    print(f"  page      http://{shown}:{port}")
    print(
        f"""  events    curl -N http://{shown}:{port}/runs -d '{{"input": "What is 12 * 34?"}}'"""
    )
    print(
        f"  provider  scripted, at {provider.where} (set OPENAI_API_KEY to use the real one)"
        if scripted
        else f"  provider  {provider.name}, at {provider.where}"
    )
    if scripted:
        print(f"  cost      by {provider.prices_shown}")
    if host not in LOOPBACK and not scripted:
        print("  caution   whoever can reach this address can spend your API key")
    print("  stop      Ctrl-C", flush=True)


class _Brief(logging.Formatter):
    """An exception by its last line: a run's own failure is no defect of the demo."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- logging's own name
        return "".join(traceback.format_exception_only(ei[1])).rstrip()


def _serve(listener: socket.socket, host: str, provider: Provider) -> None:
    import uvicorn

    from langchain_streamkit.serve.app import create_app
    from langchain_streamkit.serve.demo_agent import demo_agent
    from langchain_streamkit.serve.hosts import LOCAL_HOSTS
    from langchain_streamkit.serve.live_runs import LiveRuns
    from langchain_streamkit.sinks.console import ConsoleSink
    from langchain_streamkit.tokens.vocabularies import load_encoding

    # Loaded in the event loop it would be late for the first answer, whose tokens then are guessed.
    threading.Thread(target=load_encoding, args=("o200k_base",), daemon=True).start()
    handler = logging.StreamHandler()
    handler.setFormatter(_Brief("%(message)s"))
    logging.getLogger("langchain_streamkit").addHandler(handler)
    live = LiveRuns(demo_agent(provider.model), sinks=[ConsoleSink()], prices=provider.prices)
    app = create_app(
        live,
        about={
            "provider": provider.kind,
            "model": provider.name,
            "prices": provider.prices_shown,
        },
        hosts=LOCAL_HOSTS if host in LOOPBACK else ["*"],
    )
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = stopping_runs(live)(config)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all is closed
        server.run(sockets=[listener])


def stopping_runs(live: LiveRuns) -> type[Any]:
    """The ``uvicorn.Server`` that first ends the open runs, which its clients get to see.

    Otherwise it would wait for their responses, as long as these take.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await live.cancel_all("shutdown")
            await super().shutdown(sockets)

    return Server


if __name__ == "__main__":
    sys.exit(main())
