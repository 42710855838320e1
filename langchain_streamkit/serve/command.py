"""``streamkit serve``: a graph over HTTP, without an application of one's own."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import shlex
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from fastapi import FastAPI
from langchain_core.runnables import Runnable
from starlette.middleware.cors import CORSMiddleware
from uvicorn import Config, Server

from langchain_streamkit import __version__
from langchain_streamkit.errors import LogUnavailable, RunGone, StreamError, StreamUsageError
from langchain_streamkit.manager.run_manager import RunManager
from langchain_streamkit.serve.greeting import greeting
from langchain_streamkit.serve.hosts import LOCAL_HOSTS, AllowedHosts
from langchain_streamkit.serve.listening import LOOPBACK, listen, no_listener
from langchain_streamkit.serve.loading import load
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.serve.served import Served

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import AsyncGenerator
    from types import FrameType

    from langchain_streamkit.serve.served import Servable

FAREWELL_S: Final = 2
"""What readers get to take the last events after the runs' grace is over."""
_LOG_S: Final = 5.0


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C: 0; 1 if it cannot, with a line that says why."""
    try:
        made = Made.of(load(options.target), options.target)
        auth = None if options.auth is None else _function(options.auth)
        manager = RunManager(
            log=options.log,
            on_busy=options.on_busy,
            on_disconnect=options.on_disconnect,
            shutdown_grace_s=options.grace,
        )
        listener = listen(options.host, options.port)
    except OSError as exc:
        again = functools.partial(_again, options)
        return _cannot(no_listener(exc, options.host, options.port, again))
    except StreamError as exc:
        return _cannot(str(exc))
    # The server raises the signal again that has ended it, when all is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing)
    loop = Config(FastAPI()).get_loop_factory()
    with listener, asyncio.Runner(loop_factory=loop) as runner:
        try:
            runner.run(_serve(made, manager, auth, listener, options))
        except StreamError as exc:
            return _cannot(str(exc))
    return 0


def _nothing(number: int, frame: FrameType | None) -> None:
    """The server has done it."""


class Made(NamedTuple):
    """What is served: ``servable``, or what ``make()`` gives, once, before the first request."""

    servable: Servable | None
    make: Any = None
    name: str = ""

    @classmethod
    def of(cls, given: Any, name: str) -> Made:
        """Tell a function without arguments from a factory. Raises StreamUsageError."""
        Served(given)
        if isinstance(given, Runnable) or _needed(given, name):
            return cls(given, name=name)
        return cls(None, given, name)

    @asynccontextmanager
    async def ready(self) -> AsyncGenerator[Servable]:
        """Give what is served; left in the end, if it has to be. Raises StreamUsageError."""
        if self.servable is not None:
            yield self.servable
            return
        async with AsyncExitStack() as stack:
            try:
                made = self.make()
                if hasattr(made, "__aenter__") and hasattr(made, "__aexit__"):
                    made = await stack.enter_async_context(made)
                elif inspect.isawaitable(made):
                    made = await made
            except Exception as exc:
                raise StreamUsageError(f"{self.name}() raised {type(exc).__name__}: {exc}") from exc
            if not isinstance(made, Runnable):
                raise StreamUsageError(
                    f"{self.name}() returned a {type(made).__name__}; return a Runnable, such as a"
                    " compiled graph"
                )
            yield cast("Servable", made)


def _function(spec: str) -> Any:
    found = load(spec)
    if not callable(found):
        raise StreamUsageError(
            f"{spec} is a {type(found).__name__}; --auth takes a function of the request that"
            " returns the user's id, or None"
        )
    return found


def _needed(function: Any, name: str) -> int:
    """How many arguments a function has to be given. Raises StreamUsageError beyond one."""
    parameters = inspect.signature(function).parameters.values()
    needed = [
        one
        for one in parameters
        if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
    ]
    if len(needed) > 1 or any(one.kind is one.KEYWORD_ONLY for one in needed):
        asked = ", ".join(one.name for one in needed)
        raise StreamUsageError(
            f"{name} takes {asked}; write a function of the request alone, or without arguments,"
            " that returns a Runnable"
        )
    return len(needed)


async def _serve(
    made: Made, manager: RunManager, auth: Any, listener: socket.socket, options: argparse.Namespace
) -> None:
    await _check_log(manager, options.log)
    async with made.ready() as servable:
        app = application(servable, manager, auth, options)
        server = Server(
            Config(
                app,
                log_level="warning",
                timeout_graceful_shutdown=math.ceil(options.grace) + FAREWELL_S,
            )
        )
        print(greeting(servable, options, listener.getsockname()[1]), flush=True)
        await server.serve(sockets=[listener])


def application(
    servable: Servable, manager: RunManager, auth: Any, options: argparse.Namespace
) -> FastAPI:
    """Return the application. Raises StreamUsageError."""
    app = FastAPI(title=options.target, version=__version__)
    app.include_router(
        streamkit_router(
            servable,
            manager=manager,
            authenticate=auth,
            view=options.view,
            allow_origins=options.allow_origin,
            metrics=options.metrics,
            protocols=options.protocols,
            name=options.name,
        )
    )
    if options.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.allow_origin,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Run-Id", "Location", "Retry-After"],
        )
    if options.host in LOOPBACK and auth is None:
        names = [*LOCAL_HOSTS, *options.allow_host]
        app.add_middleware(AllowedHosts, names=names, remedy=_allow_host)
    return app


def _allow_host(name: str) -> str:
    return f"if it is the server's own, start it with --allow-host {shlex.quote(name)}"


async def _check_log(manager: RunManager, url: str) -> None:
    try:
        async with asyncio.timeout(_LOG_S):
            await manager.log.info("ready")
    except RunGone:
        return  # the log has answered
    except (LogUnavailable, OSError) as exc:
        await manager.aclose()
        raise StreamUsageError(
            f"the log {url} cannot be used: {exc}; write another, as in --log sqlite:///runs.db"
        ) from exc


def _again(options: argparse.Namespace, free: int) -> str:
    """The command that was called, with another port."""
    given = [one for one in options.given if not one.startswith("--port=")]
    if "--port" in given:
        at = given.index("--port")
        del given[at : at + 2]
    return shlex.join(["streamkit", *given, "--port", str(free)])


def _cannot(said: str) -> int:
    print(f"streamkit: {said}", file=sys.stderr)
    return 1
