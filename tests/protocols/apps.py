"""A small application that answers one protocol with runs, at a real uvicorn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from langchain_streamkit import StreamUsageError, astream
from tests.serve.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.routing import Route

    from langchain_streamkit import AsyncRun, RunSnapshot
    from langchain_streamkit.events import Event


class Asked(Protocol):
    """What each protocol's request has."""

    @property
    def thread_id(self) -> str: ...

    @property
    def resume(self) -> dict[str, Any] | None: ...


AskedT = TypeVar("AskedT", bound=Asked)


class RunServer(ABC, Generic[AskedT]):
    """Makes one run of ``runnable`` for each request, and keeps what it told."""

    def __init__(self, runnable: Any, *, value: Any, thread: bool) -> None:
        self.runnable = runnable
        self.value = value
        """The input of each run; what was asked, if None."""
        self.thread = thread
        self.runs: list[AsyncRun[Any]] = []
        self.requests: list[AskedT] = []
        self.events: list[list[Event]] = []
        self.url = ""

    @property
    def snapshot(self) -> RunSnapshot:
        return self.runs[-1].snapshot

    async def post(self, request: Request) -> Response:
        try:
            asked = self.read(await request.body())
        except StreamUsageError as exc:
            return PlainTextResponse(exc.wire, 422)
        self.requests.append(asked)
        run = self.run(asked)
        self.runs.append(run)
        return self.response(self.frames(self.told_by(run), asked))

    def run(self, asked: AskedT) -> AsyncRun[Any]:
        if asked.resume is not None:
            from langgraph.types import Command

            value: Any = Command(resume=asked.resume)
        else:
            value = self.value or self.input_of(asked)
        options = dict(self.options_of(asked))
        if self.thread:
            options["thread_id"] = asked.thread_id
        return astream(self.runnable, value, **options)

    async def told_by(self, run: AsyncRun[Any]) -> AsyncIterator[Event]:
        told: list[Event] = []
        self.events.append(told)
        async for event in run:
            told.append(event)
            yield event

    @abstractmethod
    def read(self, body: bytes) -> AskedT: ...

    @abstractmethod
    def input_of(self, asked: AskedT) -> dict[str, Any]: ...

    @abstractmethod
    def options_of(self, asked: AskedT) -> dict[str, Any]: ...

    @abstractmethod
    def frames(self, events: AsyncIterator[Event], asked: AskedT) -> AsyncIterator[bytes]: ...

    @abstractmethod
    def response(self, frames: AsyncIterator[bytes]) -> StreamingResponse: ...


@contextmanager
def at_uvicorn(server: Any, path: str, *routes: Route) -> Iterator[None]:
    """Serve the routes; ``server.url`` is then where ``path`` is."""
    with serving(Starlette(routes=routes)) as where:
        server.url = f"http://{where}{path}"
        yield
