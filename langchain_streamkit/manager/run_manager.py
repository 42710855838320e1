"""``RunManager``: runs that are started, read, stopped and found by their id, from any process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, get_args

from langchain_streamkit.api import astream
from langchain_streamkit.errors import ShuttingDown, StreamUsageError
from langchain_streamkit.log import EventLog, open_log
from langchain_streamkit.manager.calls import config_of, thread_of
from langchain_streamkit.manager.checkpoints import Checkpoints
from langchain_streamkit.manager.draining import Drain, drain_of, on_signal
from langchain_streamkit.manager.ending import end_runs
from langchain_streamkit.manager.lookup import RunLookup
from langchain_streamkit.manager.managed import ManagedRun
from langchain_streamkit.manager.presence import OnDisconnect, Presence
from langchain_streamkit.manager.quotas import refuse_spent
from langchain_streamkit.manager.settings import (
    checked_limits,
    checked_options,
    one_of,
    seconds,
)
from langchain_streamkit.manager.stats import Stats
from langchain_streamkit.manager.thread_log import note_run
from langchain_streamkit.manager.threads import OnBusy
from langchain_streamkit.tokens.meter import as_limits
from langchain_streamkit.tokens.quota import Quota

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_streamkit.limits import Limits
    from langchain_streamkit.log.writer import LogWriter
    from langchain_streamkit.runs.async_run import AsyncRun
    from langchain_streamkit.tokens.meter import Limit


class RunManager(RunLookup):
    """Starts runs that go on without their readers, and finds them again by their id.

    Each run is kept in the event log, from which any number of readers, in any process that uses
    the same log, get all of its events in order, live or later (``events``), and stop it
    (``cancel``). The run itself is made in the event loop of the process that started it.

    Args:
        log: an ``EventLog`` or its URL: ``memory://`` for one process, ``sqlite:///runs.db`` for
            one host, ``redis://…`` for many (see ``open_log``).
        limits: what each user may have at once, and start in a minute (``Limits``).
        quotas: a ``Quota``, or several, that every run is held to; a run is refused when one of
            them is spent.
        budget: a ``Budget``, or several, that each run is held to, beside what ``start`` is given.
        on_disconnect: what becomes of a run whose last reader has left: ``"continue"``, or
            ``"cancel"`` (reason ``disconnect``) if nobody reads it again for
            ``disconnect_grace_s`` seconds.
        on_busy: what becomes of a run whose thread already has one: ``"reject"``
            (``ThreadBusy``), ``"queue"`` (it waits for the other's end) or ``"cancel"`` (the other
            is stopped).
        shutdown_grace_s: how long runs may go on when the process ends, before they are
            cancelled (reason ``shutdown``); graphs are asked at once to stop after their present
            step. A cancelled run whose ``on_end`` or sink does not return is left behind.
        adopt_threads: whether threads that a checkpointer has without an owner, because they were
            not made here, are open to every user; otherwise to those without a name alone.
        options: further options of ``astream`` for every run (``timeout``, ``tokens``, ``sinks``,
            ``on_end``, …); those of ``start`` win.

    Raises ``StreamUsageError`` for what cannot work as written.

    Use it as ``async with RunManager(...) as manager`` or give ``manager.lifespan`` to your
    application. One instance belongs to one event loop.
    """

    def __init__(
        self,
        *,
        log: EventLog | str = "memory://",
        limits: Limits | None = None,
        quotas: Iterable[Quota] | Quota = (),
        budget: Limit | Iterable[Limit] | None = None,
        on_disconnect: OnDisconnect = "continue",
        disconnect_grace_s: float = 5.0,
        on_busy: OnBusy = "reject",
        shutdown_grace_s: float = 10.0,
        adopt_threads: bool = False,
        **options: Any,
    ) -> None:
        one_of("on_disconnect", on_disconnect, get_args(OnDisconnect))
        one_of("on_busy", on_busy, get_args(OnBusy))
        seconds("disconnect_grace_s", disconnect_grace_s)
        self._limits = checked_limits(limits)
        self._budget = (*as_limits(quotas), *as_limits(budget))
        self._quotas = [one for one in self._budget if isinstance(one, Quota)]
        self._grace_s = seconds("shutdown_grace_s", shutdown_grace_s)
        self._options = checked_options(options)
        self.stats = Stats()
        self._on_busy: OnBusy = on_busy
        self.adopt_threads = adopt_threads
        self._where = log
        self._on_disconnect: OnDisconnect = on_disconnect
        self._disconnect_grace_s = disconnect_grace_s
        self._lives = 0
        self._begin()

    def _begin(self) -> None:
        where = self._where
        super().__init__(where if isinstance(where, EventLog) else open_log(where))
        self._presence = Presence(self.log, self._on_disconnect, self._disconnect_grace_s)
        self._runs: dict[str, ManagedRun] = {}
        self._closing: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()

    def __repr__(self) -> str:
        return f"<RunManager of {len(self._runs)} runs, log {self.log!r}>"

    # ---- runs --------------------------------------------------------------------------------

    @property
    def active_runs(self) -> int:
        """How many runs this process makes now, those that wait for their thread included."""
        return len(self._runs)

    @property
    def readers(self) -> int:
        """How many clients read runs from this process now."""
        return len(self._presence)

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
        held: AsyncExitStack | None = None,
        **options: Any,
    ) -> str:
        """Start a run and return its id, which cannot be guessed.

        ``resume`` goes on with an interrupted thread: an answer by interrupt id, in place of
        ``input``. ``metadata`` is added to the config's. ``held`` is closed when the run has ended,
        or here, if it is not started. Everything else is as in ``astream``.

        Raises:
            StreamUsageError: for what cannot work as written; nothing has begun.
            ThreadBusy: with ``on_busy="reject"``, if the thread has a run.
            NotOwner: if the thread is another user's.
            LimitExceeded: the user has as many runs as allowed.
            BudgetExceeded: a quota of the manager's is spent.
            ShuttingDown: this process is about to end.
            LogUnavailable: the log cannot be reached; nothing has begun.
        """
        self._refuse_when_closing()
        busy = one_of("on_busy", on_busy or self._on_busy, get_args(OnBusy))
        checkpoints = Checkpoints(runnable, adopt=self.adopt_threads)
        thread_id = thread_of(thread_id, config)
        async with held or AsyncExitStack() as holding:  # until it is handed to the run
            value = input
            if resume is not None:
                value = await checkpoints.answered(thread_id, user, resume)
            elif thread_id is not None:
                await checkpoints.thread(thread_id, user)
            drain = drain_of(runnable)
            run = astream(
                runnable,
                value,
                config_of(config, user, metadata),
                thread_id=thread_id,
                user=user,
                call={**(drain.call if drain else {}), **(call or {})} or None,
                budget=(*self._budget, *as_limits(budget)) or None,
                **{**self._options, **options},
            )
            refuse_spent(self._quotas, user, thread_id)
            if self._limits is not None:
                hold = await self._limits.admit_run(user, run.run_id)
                holding.push_async_callback(hold.release)

            async def check() -> None:
                """Whoever had the thread before may have given these answers."""
                if resume is not None:
                    await checkpoints.answered(thread_id, user, resume)

            await self._admit(run, holding, thread_id, user, busy, drain, check)
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
        check: Callable[[], Awaitable[None]],
    ) -> None:
        """Get everything the run needs, then hand it, and what it holds, to its task.

        One that waits for its thread is checked again when it gets it.
        """
        thread = None
        if thread_id is not None:
            await self._threads.check_owner(thread_id, user)
            if busy == "reject":
                thread = await self._threads.take(thread_id, run.run_id, user)
                _hold(held, thread)
        writer = await self.log.open(run.run_id, user=user, thread_id=thread_id)
        try:
            if thread is not None:
                await note_run(self.log, thread, run.run_id)
            self._refuse_when_closing()
        except BaseException:  # nobody would stop the run, and readers would wait for it
            await writer.finish()
            raise
        keeps = held.pop_all()

        async def turn() -> None:
            free = await self._threads.take_when_free(
                str(thread_id), run.run_id, user, stop_others=busy == "cancel"
            )
            _hold(keeps, free)
            await note_run(self.log, free, run.run_id)
            await check()

        self._runs[run.run_id] = ManagedRun(
            run,
            writer,
            held=keeps,
            before=turn if thread_id is not None and thread is None else None,
            drain=drain,
            ended=self._run_ended,
        )

    def _refuse_when_closing(self) -> None:
        if self.shutting_down:
            raise ShuttingDown(
                "this server is shutting down; start the run at another one, or later"
            )

    def _run_ended(self, managed: ManagedRun) -> None:
        snapshot = managed.run.snapshot
        del self._runs[managed.run.run_id]
        self.stats.ended[snapshot.outcome] += 1
        if snapshot.usage is not None:
            self.stats.input_tokens += snapshot.usage.input_tokens or 0
            self.stats.output_tokens += snapshot.usage.output_tokens or 0

    # ---- readers -----------------------------------------------------------------------------

    @asynccontextmanager
    async def place(self, user: str | None) -> AsyncGenerator[None]:
        """A place for a reader, as ``limits`` allows. Raises ``LimitExceeded``."""
        if self._limits is None:
            yield
        else:
            async with await self._limits.open_stream(user):
                yield

    async def attend(self, run_id: str) -> None:
        """A client has begun to read a run; to be followed by ``leave``."""
        await self._presence.enter(run_id)

    def leave(self, run_id: str, *, disconnected: bool, ends_run: bool = False) -> None:
        """A client reads no more; ``disconnected`` only where its connection is really gone.

        With ``ends_run`` no client can come back to it, so that the run is cancelled then.
        """
        self._presence.leave(run_id, disconnected=disconnected, ends_run=ends_run)

    async def presence_settled(self) -> None:
        """Return when what readers that left have set off is decided."""
        await self._presence.settled()

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
            await end_runs(self._runs, self._grace_s)
        finally:
            self._leaving.set()

    async def aclose(self) -> None:
        """End all runs of this process as ``shut_down`` does, and let go of the log."""
        await self.shut_down()
        await self._presence.aclose()
        if self._limits is not None:
            await self._limits.aclose()
        await self.log.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncGenerator[None]:
        """The manager's life as that of an application: ``FastAPI(lifespan=manager.lifespan)``.

        It may be that of several applications: the last of them ends it. Also hears the signals
        that end the server, which waits for open connections before it ends the lifespan: too late
        for those who wait in them.

        A manager whose log is a URL may live again, with its log opened anew, as the application of
        tests does. Raises ``StreamUsageError`` for another one that has ended.
        """
        if self._closing is not None and not self._lives:
            if isinstance(self._where, EventLog):
                raise StreamUsageError(
                    "this RunManager has ended with an earlier life of its application, and so has"
                    " the log it was given; write RunManager(log='memory://'), or another URL, to"
                    " have one for each life"
                )
            self._begin()
        self._lives += 1
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.call_soon_threadsafe(self.shut_down)

        undo = on_signal(told)
        try:
            yield
        finally:
            undo()
            self._lives -= 1
            if not self._lives:
                await self.aclose()


def _hold(held: AsyncExitStack, writer: LogWriter) -> None:
    held.push_async_callback(writer.finish)
