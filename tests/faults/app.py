"""What the web processes of these tests serve: a model whose answers a client asks for.

``input`` is ``"<words> <pause in s> <bytes of a word>"``; the answer is ``w0 w1 w2 …``, each word
filled up to that many bytes. Who asks says so in the header ``x-user``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from langchain_streamkit import RunManager
from langchain_streamkit.limits import Limits
from langchain_streamkit.log import open_log
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.testing import ScriptedModel, Turn

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from starlette.requests import HTTPConnection

FILES = 8192
"""Open files, sockets too, that a process of these tests may have."""


@dataclass(frozen=True)
class Options:
    """How one web process is set up."""

    log: str
    lease_s: float = 10.0
    ttl_s: float = 600.0
    limits: dict[str, Any] | None = None
    shutdown_grace_s: float = 10.0
    heartbeat_s: float = 15.0
    send_timeout_s: float = 30.0
    socket_ping_s: float = 20.0
    send_buffer: int = 0
    """Bytes that the system keeps for each client that does not read; 0 is its own choice."""


def word(number: int, size: int = 0) -> str:
    return f"w{number}".ljust(size - 1, ".") + " "


def answer(messages: list[BaseMessage]) -> Turn:
    count, pause_s, *size = str(messages[-1].content).split()
    words = [word(number, int(*size or "0")) for number in range(int(count))]
    return Turn(words, delay=float(pause_s))


def _user(request: HTTPConnection) -> str:
    return request.headers.get("x-user", "somebody")


class _Errors(logging.Handler):
    """Keeps what is logged as an error, with the name of the logger."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(f"{record.name}: {self.format(record)}")


def application(options: Options, errors: _Errors) -> FastAPI:
    """Serve runs, and tell at ``/test/state`` what the process holds."""
    manager = RunManager(
        log=open_log(options.log, lease_s=options.lease_s, ttl_s=options.ttl_s),
        limits=None if options.limits is None else Limits(**options.limits),
        shutdown_grace_s=options.shutdown_grace_s,
    )
    app = FastAPI()

    @app.post("/test/collect")
    async def collect() -> None:
        gc.collect()

    @app.get("/test/state")
    async def state() -> JSONResponse:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return JSONResponse(
            {
                "readers": manager.readers,
                "runs": manager.active_runs,
                "ended": dict(manager.stats.ended),
                "tasks": len(asyncio.all_tasks()),
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "rss": pages * resource.getpagesize(),
                "errors": errors.seen,
            }
        )

    app.include_router(
        streamkit_router(
            ScriptedModel(answer),
            manager=manager,
            authenticate=_user,
            view="all",
            heartbeat_s=options.heartbeat_s,
            send_timeout_s=options.send_timeout_s,
        )
    )
    return app


def allow_files() -> None:
    """Let this process have ``FILES`` open files, if its user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def serve(options: Options, listener: socket.socket) -> None:
    """Be a web process, until a signal ends it: with exit code 0, if it could end in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again at its end
    allow_files()
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    uvicorn.run(
        application(options, errors),
        fd=listener.fileno(),
        log_config=None,
        lifespan="on",
        backlog=2048,
        ws_ping_interval=options.socket_ping_s,
        ws_ping_timeout=options.socket_ping_s,
        timeout_graceful_shutdown=int(options.shutdown_grace_s) + 5,
    )
