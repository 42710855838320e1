"""``RunManager``: runs that are started, read, stopped and found by their id, from any process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self, get_args
from uuid import uuid4

from langchain_streamkit.api import astream
from langchain_streamkit.errors import NotOwner, RunGone, ShuttingDown, StreamUsageError
from langchain_streamkit.log import EventLog, Position, open_log
from langchain_streamkit.manager.checkpoints import OWNER, Checkpoints
from langchain_streamkit.manager.draining import Drain, drain_of, on_signal
from langchain_streamkit.manager.managed import ManagedRun
from langchain_streamkit.manager.presence import OnDisconnect, Presence
from langchain_streamkit.manager.stats import Stats
from langchain_streamkit.manager.status import RunStatus, status_of
from langchain_streamkit.manager.threads import OnBusy, Threads
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.meter import as_limits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from types import TracebackType

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_streamkit.events import Event
    from langchain_streamkit.log import Entry
    from langchain_streamkit.log.writer import LogWriter
    from langchain_streamkit.runs.async_run import AsyncRun
    from langchain_streamkit.tokens.meter import Limit
    from langchain_streamkit.tokens.quota import Quota


class _Anyone:
    def __repr__(self) -> str:
        return "ANYONE"


ANYONE: Final = _Anyone()
"""``user=ANYONE``: whose run it is, is not asked."""


class RunManager:
    """Starts runs that go on without their readers, and finds them again by their id.

    Each run is kept in the event log, from which any number of readers, in any process that uses
    the same log, get all of its events in order, live or later (``events``), and stop it
    (``cancel``). The run itself is made in the event loop of the process that started it.

    Args:
        log: an ``EventLog`` or its URL: ``memory://`` for one process, ``sqlite:///runs.db`` for
            one host, ``redis://…`` for many (see ``open_log``).
        quotas: a ``Quota``, or several, that every run is held to.
        on_disconnect: what becomes of a run whose last reader has left: ``"continue"``, or
            ``"cancel"`` (reason ``disconnect``) if nobody reads it again for
            ``disconnect_grace_s`` seconds.
        on_busy: what becomes of a run whose thread already has one: ``"reject"``
            (``ThreadBusy``), ``"queue"`` (it waits for the other's end) or ``"cancel"`` (the other
            is stopped).
        shutdown_grace_s: how long runs may go on when the process ends, before they are
            cancelled (reason ``shutdown``); graphs are asked at once to stop after their present
            step.
        adopt_threads: whether threads that a checkpointer has without an owner, because they were
            not made here, are open to every user; otherwise to those without a name alone.
        options: further options of ``astream`` for every run (``timeout``, ``tokens``, ``sinks``,
            ``on_end``, …); those of ``start`` win.

    Use it as ``async with RunManager(...) as manager`` or give ``manager.lifespan`` to your
    application. One instance belongs to one event loop.
    """

    def __init__(
        self,
        *,
        log: EventLog | str = "memory://",
        quotas: Iterable[Quota] | Quota = (),
        on_disconnect: OnDisconnect = "continue",
        disconnect_grace_s: float = 5.0,
        on_busy: OnBusy = "reject",
        shutdown_grace_s: float = 10.0,
        adopt_threads: bool = False,
        **options: Any,
    ) -> None:
        _one_of("on_disconnect", on_disconnect, get_args(OnDisconnect))
        _one_of("on_busy", on_busy, get_args(OnBusy))
        self.log = log if isinstance(log, EventLog) else open_log(log)
        self.stats = Stats()
        self._quotas = as_limits(quotas)
        self._on_busy: OnBusy = on_busy
        self._grace_s = shutdown_grace_s
        self._adopt = adopt_threads
        self._options = options
        self._presence = Presence(self.log, on_disconnect, disconnect_grace_s)
        self._threads = Threads(self.log)
        self._runs: dict[str, ManagedRun] = {}
        self._closing: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RunManager of {len(self._runs)} runs, log {self.log!r}>"

    # ---- runs --------------------------------------------------------------------------------

    async def start(
        self,
        runnable: Runnable[Any, Any],
        input: Any = None,
        config: RunnableConfig | None = None,
        *,
        user: str | None = None,
        thread_id: str | None = None,
        resume: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_busy: OnBusy | None = None,
        budget: Limit | Iterable[Limit] | None = None,
        call: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """Start a run and return its id, which cannot be guessed.

        ``resume`` goes on with an interrupted thread: an answer by interrupt id, in place of
        ``input``. ``metadata`` is added to the config's. Everything else is as in ``astream``.

        Raises:
            StreamUsageError: for what cannot work as written; nothing has begun.
            ThreadBusy: with ``on_busy="reject"``, if the thread has a run.
            NotOwner: if the thread is another user's.
            LimitExceeded: the user has as many runs as allowed.
            ShuttingDown: this process is about to end.
            LogUnavailable: the log cannot be reached; nothing has begun.
        """
        if self._closing is not None:
            raise ShuttingDown(
                "this server is shutting down; start the run at another one, or later"
            )
        busy = _one_of("on_busy", on_busy or self._on_busy, get_args(OnBusy))
        checkpoints = Checkpoints(runnable, adopt=self._adopt)
        thread_id = _thread_of(thread_id, config)
        value = input
        if resume is not None:
            value = await checkpoints.answered(thread_id, user, resume)
        elif thread_id is not None:
            await checkpoints.thread(thread_id, user)
        drain = drain_of(runnable)
        run = astream(
            runnable,
            value,
            _config(config, user, metadata),
            thread_id=thread_id,
            user=user,
            call={**(drain.call if drain else {}), **(call or {})} or None,
            budget=(*self._quotas, *as_limits(budget)) or None,
            **{**self._options, **options},
        )
        async with AsyncExitStack() as held:
            await self._admit(run, held, thread_id, user, busy, drain)
        self.stats.started += 1
        return run.run_id

    async def _admit(
        self,
        run: AsyncRun[Any],
        held: AsyncExitStack,
        thread_id: str | None,
        user: str | None,
        busy: OnBusy,
        drain: Drain | None,
    ) -> None:
        """Get everything the run needs, then hand it, and what it holds, to its task."""
        waits = thread_id is not None and busy != "reject"
        if thread_id is not None:
            await self._threads.check_owner(thread_id, user)
            if not waits:
                _hold(held, await self._threads.take(thread_id, run.run_id, user))
        writer = await self.log.open(run.run_id, user=user, thread_id=thread_id)
        keeps = held.pop_all()

        async def turn() -> None:
            assert thread_id is not None  # noqa: S101 - only then there is something to wait for
            if busy == "cancel":
                await self._threads.cancel(thread_id)
            _hold(keeps, await self._threads.take_when_free(thread_id, run.run_id, user))

        self._runs[run.run_id] = ManagedRun(
            run,
            writer,
            held=keeps,
            before=turn if waits else None,
            drain=drain,
            ended=self._run_ended,
        )

    def _run_ended(self, managed: ManagedRun) -> None:
        snapshot = managed.run.snapshot
        del self._runs[managed.run.run_id]
        self.stats.ended[snapshot.outcome] += 1
        if snapshot.usage is not None:
            self.stats.input_tokens += snapshot.usage.input_tokens or 0
            self.stats.output_tokens += snapshot.usage.output_tokens or 0

    async def events(
        self,
        run_id: str,
        since: str | Position | None = None,
        *,
        user: str | _Anyone | None = ANYONE,
    ) -> AsyncGenerator[Event]:
        """Yield the run's events after ``since``, a position, or all; ends with the terminal one.

        Raises ``RunGone``, ``ReplayGap``, ``ProducerLost`` and ``LogUnavailable`` as
        ``EventLog.tail`` does, ``NotOwner`` for another user's run, ``StreamUsageError`` for what
        is no position. Leaving the loop leaves the run alone.
        """
        async with aclosing(self.entries(run_id, since, user=user)) as batches:
            async for batch in batches:
                for entry in batch:
                    yield entry.event()

    async def entries(
        self,
        run_id: str,
        since: str | Position | None = None,
        *,
        user: str | _Anyone | None = ANYONE,
    ) -> AsyncGenerator[list[Entry]]:
        """The same, as entries of the log in batches: positions and bytes, for a wire."""
        after = Position.parse(since) if isinstance(since, str) else since
        await self._check(run_id, user)
        async with aclosing(self.log.tail(run_id, after)) as batches:
            async for batch in batches:
                yield batch

    async def cancel(
        self, run_id: str, reason: str = "user", *, user: str | _Anyone | None = ANYONE
    ) -> bool:
        """Ask a run to stop, whatever process makes it; False if it has ended already.

        Returns when the log has it. Raises ``RunGone``, ``NotOwner``, ``LogUnavailable``.
        """
        await self._check(run_id, user)
        return await self.log.cancel(run_id, reason)

    async def status(self, run_id: str, *, user: str | _Anyone | None = ANYONE) -> RunStatus:
        """Return what a run has come to. Raises ``RunGone``, ``NotOwner``, ``LogUnavailable``."""
        status = await status_of(self.log, run_id)
        if not isinstance(user, _Anyone) and status.user != user:
            raise NotOwner(f"run {run_id} belongs to another user")
        return status

    async def list(self, user: str | None = None) -> list[RunStatus]:
        """Return the runs of a user that the log still has, oldest first."""
        found: list[RunStatus] = []
        for name in await self.log.of_user(user):
            if not name.startswith("thread:"):
                try:
                    found.append(await status_of(self.log, name))
                except RunGone:
                    continue
        return found

    async def active(self, thread_id: str, *, user: str | _Anyone | None = ANYONE) -> str | None:
        """Return the id of the run that a thread has now, or that waits for it, if any."""
        info = await self._threads.active(thread_id)
        if info is None:
            return None
        if not isinstance(user, _Anyone) and info.user != (user or ""):
            raise NotOwner(f"thread {thread_id!r} belongs to another user")
        return info.run_id

    async def _check(self, run_id: str, user: str | _Anyone | None) -> None:
        if isinstance(user, _Anyone):
            return
        info = await self.log.info(run_id)
        if info.user != (user or ""):
            raise NotOwner(f"run {run_id} belongs to another user")

    # ---- readers -----------------------------------------------------------------------------

    async def attend(self, run_id: str) -> None:
        """A client has begun to read a run; to be followed by ``leave``."""
        await self._presence.enter(run_id)

    def leave(self, run_id: str, *, disconnected: bool) -> None:
        """A client reads no more; ``disconnected`` only where its connection is really gone."""
        self._presence.leave(run_id, disconnected=disconnected)

    # ---- the process -------------------------------------------------------------------------

    @property
    def shutting_down(self) -> bool:
        """Whether this process takes no more runs."""
        return self._closing is not None

    async def farewell(self) -> None:
        """Return when readers are to be sent away, as the process ends."""
        await self._leaving.wait()

    def shut_down(self) -> asyncio.Task[None]:
        """Begin to end: no new runs, those that go on are drained, cancelled after the grace.

        Called by ``lifespan`` when the process gets SIGTERM or SIGINT. The task is done when all
        runs of this process have ended, and readers are sent away.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._shut_down())
        return self._closing

    async def _shut_down(self) -> None:
        try:
            for managed in list(self._runs.values()):
                managed.drain()
            going = {managed.task for managed in self._runs.values()}
            if going:
                await asyncio.wait(going, timeout=self._grace_s)
            rest = list(self._runs.values())
            await asyncio.gather(*(one.stop("shutdown") for one in rest), return_exceptions=True)
            if rest:
                await asyncio.wait({one.task for one in rest})
        finally:
            self._leaving.set()

    async def aclose(self) -> None:
        """End all runs of this process as ``shut_down`` does, and let go of the log."""
        await self.shut_down()
        await self._presence.aclose()
        await self.log.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None]:
        """The manager's life as that of an application: ``FastAPI(lifespan=manager.lifespan)``.

        Also hears the signals that end the server, which waits for open connections before it
        ends the lifespan: too late for those who wait in them.
        """
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.call_soon_threadsafe(self.shut_down)

        undo = on_signal(told)
        try:
            yield
        finally:
            undo()
            await self.aclose()


def _hold(held: AsyncExitStack, writer: LogWriter) -> None:
    held.push_async_callback(writer.finish)


def _thread_of(thread_id: str | None, config: RunnableConfig | None) -> str | None:
    configurable = (config or {}).get("configurable") or {}
    named = configurable.get("thread_id")
    return thread_id if named is None or thread_id is not None else str(named)


def _config(
    config: RunnableConfig | None, user: str | None, metadata: Mapping[str, Any] | None
) -> RunnableConfig:
    made: RunnableConfig = {**(config or {})}
    given = {**made.get("metadata", {}), **(metadata or {})}
    given.pop(OWNER, None)
    if user is not None:
        given[OWNER] = user
    return {**made, "metadata": given, "run_id": made.get("run_id") or uuid4()}


def _one_of(option: str, value: Any, known: tuple[str, ...]) -> Any:
    if value not in known:
        names = " or ".join(f"{option}={name!r}" for name in known)
        raise StreamUsageError(f"{option}={short_repr(value)} is not known; write {names}")
    return value
