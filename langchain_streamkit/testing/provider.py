"""``scripted_provider``: a real HTTP server on 127.0.0.1 that plays a script as OpenAI's API.

Guarantees: it is ready when the ``with`` block begins and gone, its thread too, when the block
ends, whatever was still being answered; it serves sync and async clients alike, from a thread with
its own event loop; it leaves the logging of other uvicorn servers in the process alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.testing.provider_app import ProviderApp
from langchain_streamkit.testing.script import Script
from langchain_streamkit.testing.waiting import await_until, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    import uvicorn

    from langchain_streamkit.testing.provider_request import ProviderRequest
    from langchain_streamkit.testing.turns import TurnLike

ProviderTurnFn: TypeAlias = "Callable[[Mapping[str, Any]], TurnLike]"
ProviderScript: TypeAlias = "Sequence[TurnLike | ProviderTurnFn] | ProviderTurnFn"

START_TIMEOUT_S = 10.0


def scripted_provider(
    script: ProviderScript,
    *,
    cycle: bool = False,
    usage: bool = True,
    models: Sequence[str] = ("scripted",),
    port: int = 0,
) -> ScriptedProvider:
    """A server that answers ``POST /v1/chat/completions`` and ``/v1/responses`` from a script.

    ``script`` is a list of turns, one for each request in order, or a function of the request's
    body that answers them all; functions may stand among the turns too; ``cycle`` starts the list
    again. See ``langchain_streamkit.testing.turns`` for what a turn is. An exception before the
    first chunk is an HTTP error, later an error object in the stream; ``ProviderError`` says which,
    ``DroppedConnection`` cuts the line, ``CutShort`` ends the answer as if it were whole. Delays
    and gates before the first chunk hold the response's headers back, too.

    Usage is reported as the real API does (in a chat stream only if asked for by
    ``stream_options``), made up where a turn has none; ``usage=False`` never reports any.
    ``models`` is what ``GET /v1/models`` lists; any model name is answered. ``port`` 0 takes a free
    one.

    Use it as ``with`` or ``async with``. Needs ``pip install "langchain-streamkit[serve]"``.

    Raises ScriptError for a script that cannot be played, StreamUsageError when uvicorn is missing
    or the port is taken.

    >>> with scripted_provider(["Hello you"]) as provider:
    ...     model = ChatOpenAI(model="scripted", base_url=provider.base_url, api_key="none")
    ...     print(model.invoke("hi").content)
    Hello you
    """
    owned: Script[ProviderRequest] = Script(script, cycle=cycle, owner="scripted_provider")
    return ScriptedProvider(ProviderApp(owned, models=models, usage=usage), port)


class ScriptedProvider:
    """The running server; made by ``scripted_provider``. It runs inside its ``with`` block, once.

    ``requests`` has every POST so far, in order, with what the server saw of it.
    """

    def __init__(self, app: ProviderApp, port: int) -> None:
        self._app = app
        self._port = port
        self._base_url: str | None = None
        self._ready: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._stop: Callable[[], object] = lambda: None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<ScriptedProvider {self._base_url or 'not started: use it as a with block'}>"

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``, to be given to the client. Raises before the start."""
        if self._base_url is None:
            raise StreamUsageError(
                "the scripted provider does not run yet; write `with scripted_provider(...) as p:`"
            )
        return self._base_url

    @property
    def requests(self) -> tuple[ProviderRequest, ...]:
        """All POST requests so far, in order of arrival."""
        return self._app.requests

    def wait_request(self, n: int = 1, timeout: float = 5.0) -> ProviderRequest:
        """Block until the ``n``-th request (1, 2 …) has arrived; returns it. Raises WaitTimeout."""
        wait_until(lambda: len(self.requests) >= n, timeout, lambda: self._missing(n))
        return self.requests[n - 1]

    async def await_request(
        self,
        n: int = 1,
        timeout: float = 5.0,
    ) -> ProviderRequest:
        """``wait_request`` for coroutines: the event loop runs on."""
        await await_until(lambda: len(self.requests) >= n, timeout, lambda: self._missing(n))
        return self.requests[n - 1]

    def _missing(self, n: int) -> str:
        return f"waited for request {n} of {self!r}, which has seen {list(self.requests)}"

    def __enter__(self) -> Self:
        self._start()
        self._ready.result(START_TIMEOUT_S)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        self._join()

    async def __aenter__(self) -> Self:
        self._start()
        await asyncio.wait_for(asyncio.wrap_future(self._ready), START_TIMEOUT_S)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        # The clients in this loop may have to close their connections meanwhile.
        await asyncio.shield(asyncio.wrap_future(self._ended))
        self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        try:
            import uvicorn
        except ImportError as exc:
            raise StreamUsageError(
                'scripted_provider needs uvicorn: pip install "langchain-streamkit[serve]"'
            ) from exc
        if self._thread is not None:
            raise StreamUsageError("a scripted provider runs once; make another one")
        listener = self._listen()

        provider = self

        class Server(uvicorn.Server):
            async def main_loop(self) -> None:
                # Instead of uvicorn's, which looks ten times a second whether to end.
                await self.on_tick(0)
                stop = asyncio.Event()
                loop = asyncio.get_running_loop()
                provider._stop = functools.partial(loop.call_soon_threadsafe, stop.set)
                provider._ready.set_result(None)
                await stop.wait()
                provider._app.stop()

        config = uvicorn.Config(
            self._app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        server = Server(config)
        self._thread = threading.Thread(
            target=self._run, args=(server, listener), name="scripted-provider", daemon=True
        )
        self._thread.start()

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
        except OSError as exc:
            listener.close()
            raise StreamUsageError(
                f"port {self._port} of 127.0.0.1 cannot be used ({exc.strerror}); "
                "leave port out to take a free one"
            ) from exc
        self._base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        return listener

    def _run(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            with _quiet_uvicorn():
                # Not server.run(), which may change the event loop policy of the whole process.
                asyncio.run(server.serve(sockets=[listener]))
        finally:
            listener.close()
            if not self._ready.done():
                self._ready.set_exception(StreamError("the scripted provider did not start"))
            self._ended.set_result(None)


class _OtherThreads(logging.Filter):
    """Lets records of other threads pass, and crashes of the application in this one."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread or record.exc_info is not None


@contextlib.contextmanager
def _quiet_uvicorn() -> Generator[None, None, None]:
    # A dropped connection is an error in uvicorn's eyes; here it is what the script says.
    ours = _OtherThreads()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access")]
    for logger in loggers:
        logger.addFilter(ours)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(ours)
