"""One run at a server, over as many connections as it takes.

Guarantees: every event once, in order, however often the connection is cut; a run is started by at
most one request; a connection that says nothing for ``silence_s`` seconds is taken for dead; what
cannot be read on raises, and says why.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from langchain_streamkit.client.backoff import LONGEST_ASKED_S, Backoff
from langchain_streamkit.client.refusals import gone_of, refusal
from langchain_streamkit.errors import (
    ReplayGap,
    ServerRefused,
    ServerUnreachable,
    StreamError,
)
from langchain_streamkit.events import TERMINAL_TYPES, UnknownEventError, decode_event
from langchain_streamkit.log.position import Position

try:
    import httpx
    from httpx_sse import EventSource
except ImportError as exc:
    raise StreamError(
        'connect needs httpx-sse; install it with: pip install "langchain-streamkit[client]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from httpx_sse import ServerSentEvent

    from langchain_streamkit.events import Event

CONNECT_S = 10.0
_AGAIN = frozenset({408, 429, 502, 503, 504})
"""Statuses of a read that the same request may not get again."""
_NOBODY_THERE = (httpx.ConnectError, httpx.ConnectTimeout)
_NEVER_SENT = (*_NOBODY_THERE, httpx.PoolTimeout)


class Cut(Exception):
    """A connection ended before the run did; ``asked_s``: when the server wants us back."""

    def __init__(self, message: str, asked_s: float = 0.0) -> None:
        super().__init__(message)
        self.asked_s = asked_s


class Server(NamedTuple):
    """Where runs are, and how to ask there."""

    url: str
    """Of the router, without a slash at the end."""
    headers: Mapping[str, str]
    client: httpx.AsyncClient | None
    retries: int
    silence_s: float
    connect_s: float

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[httpx.AsyncClient]:
        """The client to ask with; closed if it is not the caller's."""
        if self.client is not None:
            yield self.client
            return
        async with httpx.AsyncClient() as client:
            yield client

    def timeout(self, *, reached: bool) -> httpx.Timeout:
        """Of a request, to a server that has answered before or not."""
        connect_s = CONNECT_S if reached else min(CONNECT_S, self.connect_s or CONNECT_S)
        return httpx.Timeout(CONNECT_S, connect=connect_s, read=self.silence_s)

    def backoff(self) -> Backoff:
        """What says when to ask again."""
        return Backoff(self.retries, self.url, self.connect_s)


class Link:
    """A run to be read, or with ``start``, the body of ``POST /runs``, to be started first."""

    def __init__(
        self,
        server: Server,
        run_id: str | None,
        since: Position | None,
        start: Mapping[str, Any] | None,
    ) -> None:
        self.run_id = run_id
        self.last = since
        """Position of the last event that was received."""
        self._server = server
        self._start = start
        self._named = asyncio.Event()
        """The run's id is known, or will never be."""
        if run_id is not None:
            self._named.set()
        self._reached = False
        """The server has answered."""
        self._again = server.backoff()

    async def events(self) -> AsyncGenerator[Event]:
        """Yield the run's events to its end.

        Raises RunGone, ReplayGap, ProducerLost, ThreadBusy, ServerRefused, ServerUnreachable.
        """
        self._again.begin()
        try:
            async with self._server.opened() as client:
                while True:
                    try:
                        async with aclosing(self._connection(client)) as events:
                            async for event in events:
                                yield event
                                if event.type in TERMINAL_TYPES:
                                    return
                        raise Cut("the connection was closed before the run's end")
                    except (Cut, httpx.RequestError) as exc:
                        await self._wait(self._again, exc)
        finally:
            self._named.set()

    async def cancel(self) -> None:
        """Ask the server to stop the run. Raises as ``events``; nothing if there is no run."""
        await self._named.wait()
        if self.run_id is None:
            return
        again = self._server.backoff()
        async with self._server.opened() as client:
            while True:
                try:
                    response = await client.post(
                        self._path("cancel"),
                        headers=self._server.headers,
                        timeout=self._server.timeout(reached=self._reached),
                    )
                    self._reached = True
                    if response.is_success:
                        return
                    raise self._refused(response, final=False)
                except (Cut, httpx.RequestError) as exc:
                    await self._wait(again, exc)

    async def _wait(self, again: Backoff, error: Exception) -> None:
        """Return when to ask again. Raises ServerUnreachable."""
        asked_s = error.asked_s if isinstance(error, Cut) else 0.0
        unreached = not self._reached and isinstance(error, _NOBODY_THERE)
        await asyncio.sleep(again.wait_s(error, asked_s, unreached=unreached))

    # ---- one connection ----------------------------------------------------------------------

    async def _connection(self, client: httpx.AsyncClient) -> AsyncGenerator[Event]:
        """Yield what follows ``last`` as far as one connection brings it."""
        response = await self._answer(client)
        try:
            async with aclosing(EventSource(response).aiter_sse()) as frames:
                async for frame in frames:
                    event = self._event(frame)
                    if event is not None:
                        yield event
        finally:
            await response.aclose()

    async def _answer(self, client: httpx.AsyncClient) -> httpx.Response:
        """Return a response that streams events."""
        starting = self.run_id is None
        response = await self._send(client)
        self._reached = True
        try:
            if response.status_code == 204 and self.last is not None:
                await response.aclose()  # all was read before; how it ended is read again
                self.last = self.last._replace(seq=self.last.seq - 1, frame=0)
                response = await self._send(client)
            if response.status_code != 200:
                await response.aread()
                raise self._refused(response, final=starting)
            kind = response.headers.get("content-type", "none")
            if not kind.startswith("text/event-stream"):
                raise ServerRefused(
                    f"{response.url} gave no stream of events but {kind}; pass the address that"
                    " streamkit_router has, its prefix included",
                    status=200,
                    code="no_stream",
                )
            if starting:
                self.run_id = response.headers["x-run-id"]
                self._named.set()
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _send(self, client: httpx.AsyncClient) -> httpx.Response:
        headers = {**self._server.headers, "accept": "text/event-stream"}
        timeout = self._server.timeout(reached=self._reached)
        if self.run_id is not None:
            if self.last is not None:
                headers["last-event-id"] = str(self.last)
            request = client.build_request(
                "GET", self._path("events"), headers=headers, timeout=timeout
            )
            return await client.send(request, stream=True)
        headers["content-type"] = "application/json"
        body = msgspec.json.encode(self._start)
        url = f"{self._server.url}/runs"
        request = client.build_request("POST", url, content=body, headers=headers, timeout=timeout)
        try:
            return await client.send(request, stream=True)
        except _NEVER_SENT:
            raise
        except httpx.RequestError as exc:
            raise ServerUnreachable(
                f"{url} was asked to start a run and gave no answer ({type(exc).__name__}): it may"
                " go on there, so it is not asked again; give it a thread_id= to find out"
            ) from exc

    def _event(self, frame: ServerSentEvent) -> Event | None:
        """Return the event of a frame, if it has one that is new. Raises for the others."""
        if frame.retry is not None:
            self._again.scale_s = frame.retry / 1000
        if frame.event == "bye":
            raise Cut("the server goes away")
        if frame.event == "gone":
            raise gone_of(frame.data, self._path("events"))
        if frame.event not in {"", "message"} or not frame.data:
            return None
        at = Position.parse(frame.id)
        if self.last is not None:
            if at.generation != self.last.generation:
                raise ReplayGap(f"{self._path('events')} is another run by now than at {self.last}")
            if at <= self.last:
                return None
        self.last = at
        self._again.succeeded()
        try:
            return decode_event(frame.data)
        except UnknownEventError:  # of a later version of this library
            return None

    def _path(self, what: str) -> str:
        return f"{self._server.url}/runs/{quote(self.run_id or '', safe='')}/{what}"

    def _refused(self, response: httpx.Response, *, final: bool) -> Exception:
        """Return what an answer says; ``Cut`` where the same request may do better later."""
        status = response.status_code
        error = refusal(status, response.content, response.headers, str(response.url))
        if final or status not in _AGAIN or not isinstance(error, ServerRefused):
            return error
        asked_s = error.retry_after_s or 0.0
        return error if asked_s > LONGEST_ASKED_S else Cut(str(error), asked_s)
