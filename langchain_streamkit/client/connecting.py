"""``connect``: a run of a server, started there or found by its id, as a run of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from langchain_core.utils.uuid import uuid7

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.log.position import Position
from langchain_streamkit.runs.async_run import AsyncRun
from langchain_streamkit.runs.options import Options, checked_on_end
from langchain_streamkit.runs.relayed import RelayCore, RelayDriver, read_relayed
from langchain_streamkit.runs.source_plan import SourcePlan
from langchain_streamkit.sinks.base import as_sinks
from langchain_streamkit.text import short_repr
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

    from langchain_streamkit.client.link import Link, Server
    from langchain_streamkit.events import CancelReason, Event
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.driver import AsyncDriver
    from langchain_streamkit.runs.options import OnEnd
    from langchain_streamkit.sinks.base import SinkLike


class _NotGiven:
    def __repr__(self) -> str:
        return "not given"


_NOT_GIVEN: Final = _NotGiven()


def connect(
    url: str,
    run_id: str | None = None,
    since: str | None = None,
    *,
    input: Any = _NOT_GIVEN,
    thread_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    resume: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    client: httpx.AsyncClient | None = None,
    retries: int = 8,
    silence_s: float = 60.0,
    connect_s: float = 5.0,
    sinks: Iterable[SinkLike] | SinkLike = (),
    on_end: OnEnd | None = None,
    include: Iterable[Any] | None = None,
    exclude: Iterable[Any] | None = None,
) -> RemoteRun:
    """Read a run of a server that has ``streamkit_router``, as ``AsyncRun`` any other.

    With ``run_id`` a run that is there; with ``input`` or ``resume`` one that is started, by one
    request, when it is first read. The events are the server's, with their ids and numbers, as far
    as its view shows them.

    Args:
        url: where the router is, its prefix included: ``"https://example.com/api"``.
        run_id: the run to read.
        since: the id of the last event that you have (``RemoteRun.event_id``): what follows it
            is read. Of a run that has ended there, how it ended is told again.
        input: what the served runnable takes; messages of LangChain may be in it.
        thread_id: the conversation of the run that is started.
        metadata: added to its metadata.
        resume: answers by interrupt id: goes on with an interrupted thread, in place of ``input``.
        headers: of every request, such as ``{"Authorization": "Bearer ..."}``.
        client: what makes the requests, instead of one of our own: proxies, certificates, ``auth``
            that is renewed. It stays open.
        retries: how often in a row the run may fail to be read before ``ServerUnreachable``. Waits
            grow exponentially, with full jitter, from what the server asks for.
        silence_s: a connection that says nothing for so long is taken for dead; a server says
            something every 15 seconds.
        connect_s: how long a server that has not answered yet is tried while nobody is there,
            before ``ServerUnreachable``; with 0, once.
        sinks: where events go besides the reader.
        on_end: called once with the ``RunSnapshot`` after the end of reading.
        include: types, families or event classes to give.
        exclude: types, families or event classes to leave out.

    A run that cannot be read or started at all raises from its iteration, ``started()`` and
    ``result()``: ``RunGone``, ``ReplayGap``, ``ProducerLost``, ``ThreadBusy``, ``ServerRefused``,
    ``ServerUnreachable``. One that cannot be read on ends with ``run.failed``, made here, and
    ``result()`` raises the same.

    Raises ``StreamUsageError`` at once for what cannot work as written.
    """
    from langchain_streamkit.client.link import Server

    where = _checked_url(url)
    server = Server(where, dict(headers or {}), client, retries, silence_s, connect_s)
    start: dict[str, Any] = {}
    if not isinstance(input, _NotGiven):
        start["input"] = to_plain(input)
    if resume is not None:
        start["resume"] = to_plain(resume)
    _check_what(run_id, since, start)
    if thread_id is not None:
        start["thread_id"] = thread_id
    if metadata:
        start["metadata"] = to_plain(metadata)
    if run_id is not None and start:
        raise StreamUsageError(
            f"run_id={run_id!r} is a run that is there; {', '.join(start)} are for one to be"
            " started: leave out the one or the other"
        )
    position = None if since is None else Position.parse(since)
    options = Options(include, exclude).checked()
    return RemoteRun(server, run_id, position, start, options, as_sinks(sinks), on_end)


class RemoteRun(AsyncRun[Any]):
    """A run of a server: everything an ``AsyncRun`` is, read over HTTP.

    It is a reader, not the run. Leaving it (``break``, ``async with``, ``aclose()``) stops the
    reading alone, which then ends as ``run.cancelled`` with reason ``disconnect``; the run goes
    on. ``cancel()`` stops the run itself. ``result()`` is the output that ``run.finished`` shows;
    it raises ``RemoteFailed``, with the server's ``code`` and ``error_id``, for a failed run, and
    ``RunCancelled`` for a cancelled one. ``map()``, sinks and ``on_end`` are this reader's.
    """

    _core_type: ClassVar[type[RunCore]] = RelayCore
    _driver_type: ClassVar[type[AsyncDriver]] = RelayDriver

    def __init__(
        self,
        server: Server,
        run_id: str | None,
        since: Position | None,
        start: Mapping[str, Any],
        options: Options,
        sinks: Iterable[Any],
        on_end: OnEnd | None,
    ) -> None:
        from langchain_streamkit.client.link import Link

        self._server = server
        self._link: Link = Link(server, run_id, since, start)
        plan = SourcePlan(
            self._link.events(),
            uuid7(),
            None,
            options,
            None,
            name=f"run at {server.url}",
            thread_id=start.get("thread_id"),
            read=read_relayed,
        )
        super().__init__(plan, list(sinks), checked_on_end(on_end))
        self._core.run_id = run_id or ""

    @property
    def run_id(self) -> str:
        """The run's id; empty until the server that was asked to start it has answered."""
        return self._link.run_id or ""

    def event_id(self, event: Event) -> str:
        """What ``since=`` takes to go on after ``event``, here or in another process."""
        if self._link.last is None:
            raise StreamUsageError(f"{short_repr(event)} is no event of this run: none was read")
        return str(Position(self._link.last.generation, event.seq))

    async def cancel(self, reason: CancelReason = "user") -> None:
        """Stop the run at the server; returns when its end was read. ``reason`` is the server's.

        Raises RunGone, ServerRefused, ServerUnreachable if it cannot be asked.
        """
        self._driver.start()
        if not self._core.ended:
            await self._link.cancel()
        await self._driver.finished(reading=False)

    async def aclose(self) -> None:
        """Stop reading; the run goes on."""
        if self._driver.started:
            self._core.stop("disconnect")
            await self._driver.finished(reading=False)

    def resume(
        self,
        answers: Mapping[str, Any],
        *,
        sinks: Iterable[SinkLike] | SinkLike = (),
        on_end: OnEnd | None = None,
    ) -> RemoteRun:
        """See ``AsyncRun.resume``; the server makes the run that goes on."""
        self._check_answers(answers)
        start: dict[str, Any] = {"resume": to_plain(answers)} if answers else {"input": None}
        start["thread_id"] = self.thread_id
        on_end = checked_on_end(on_end) or self._on_end
        options = self._core.plan.options
        run = RemoteRun(self._server, None, None, start, options, as_sinks(sinks), on_end)
        self._resumed = run
        return run


def _check_what(run_id: str | None, since: str | None, start: Mapping[str, Any]) -> None:
    """Raise StreamUsageError unless there is one run to read or one to start."""
    if run_id is None and since is not None:
        raise StreamUsageError(f"since={since!r} is a place in which run? pass run_id= too")
    if run_id is None and len(start) != 1:
        both = "both input= and resume=" if start else "none of run_id=, input= and resume="
        raise StreamUsageError(
            f"connect() got {both}: pass run_id= to read a run that is there, input= to start one,"
            " or resume= and thread_id= to go on with an interrupted one"
        )


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise StreamUsageError(
            f"{short_repr(url)} is no address of a server; write it as in"
            " connect('http://127.0.0.1:8000', ...)"
        )
    if parts.query or parts.fragment or "/runs" in parts.path:
        raise StreamUsageError(
            f"{short_repr(url)} is more than the address of the router: write what stands before"
            " /runs, and pass the run as run_id="
        )
    return url.rstrip("/")
