"""What HTTP and WebSocket do alike: who asks, what is run for them, which runs are theirs."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from langchain_core.runnables import Runnable

from langchain_streamkit.errors import LogUnavailable, NotOwner, RunGone, StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.manager.checkpoints import Checkpoints, plain_messages
from langchain_streamkit.runs.options import checked_on_end
from langchain_streamkit.serve.origins import checked_origins
from langchain_streamkit.serve.protocols.asked import Asked, Names
from langchain_streamkit.serve.protocols.inputs import call_for
from langchain_streamkit.serve.refusals import Refusal, broken_off
from langchain_streamkit.serve.requests import refuse_foreign
from langchain_streamkit.serve.served import Servable, Served, name_served
from langchain_streamkit.wire.encoders import events_of
from langchain_streamkit.wire.log_view import LogView
from langchain_streamkit.wire.views import Projection, View

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Collection,
        Generator,
        Mapping,
    )

    from langchain_core.runnables import RunnableConfig
    from starlette.requests import HTTPConnection

    from langchain_streamkit.events import Event
    from langchain_streamkit.log import Position
    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.manager.run_manager import RunManager
    from langchain_streamkit.runs.options import OnEnd


class Hooks(NamedTuple):
    """The application's own say; each function is plain or async."""

    authenticate: Callable[[HTTPConnection], str | Awaitable[str | None] | None] | None = None
    config_for: Callable[[HTTPConnection], RunnableConfig | Awaitable[RunnableConfig]] | None = None
    context_for: Callable[[HTTPConnection], Any] | None = None
    parse_input: Callable[[Any], Any] | None = None
    on_end: OnEnd | None = None


class RunService:
    """Runs of what is served, for clients that are told who they are."""

    def __init__(
        self,
        servable: Servable,
        manager: RunManager,
        hooks: Hooks,
        *,
        view: View,
        metadata: Collection[str],
        allow_origins: Collection[str],
        name: str | None = None,
    ) -> None:
        for option, hook in hooks._asdict().items():
            if hook is not None and not callable(hook):
                raise StreamUsageError(f"{option}= takes a function, plain or async, not {hook!r}")
        checked_on_end(hooks.on_end)
        Projection(view, metadata=metadata)  # an unknown view fails here, not in a client's run
        self.manager = manager
        self.view: View = view
        self.metadata = frozenset(metadata)
        """The keys of metadata that clients see."""
        self._served = Served(servable)
        own = name or name_served(cast("Any", servable) if isinstance(servable, Runnable) else None)
        self.names = Names(own) if own not in Names(own).others else Names(own, ())
        self._hooks = hooks
        self._origins = checked_origins(allow_origins)

    async def user_of(self, request: HTTPConnection) -> str | None:
        """Return who asks; None where nobody is asked who they are. Raises ``Refusal``."""
        refuse_foreign(request, self._origins)
        if self._hooks.authenticate is None:
            return None
        user = await _called(self._hooks.authenticate, request)
        if not user:
            raise Refusal(401, "unauthenticated", "say who you are")
        if not isinstance(user, str):
            raise StreamUsageError(
                f"authenticate(request) returned a {type(user).__name__}; return the user's id as"
                " a string, or None"
            )
        return user

    async def start(
        self,
        request: HTTPConnection,
        asked: Asked,
        user: str | None,
        *,
        configurable: Mapping[str, Any] | None = None,
        held: AsyncExitStack | None = None,
        **options: Any,
    ) -> str:
        """Start a run and return its id. Raises as ``RunManager.start``, and ``Refusal``.

        ``configurable`` is added to that of the config, ``held`` is closed when the run has ended,
        ``options`` are those of ``RunManager.start``.
        """
        async with held or AsyncExitStack() as holding:
            runnable = await self._served.runnable(request, holding)
            config: Any = await _called(self._hooks.config_for, request)
            if configurable:
                made: dict[str, Any] = dict(config or {})
                made["configurable"] = {**(made.get("configurable") or {}), **configurable}
                config = made
            call = await call_for(
                runnable,
                asked,
                user=user,
                adopt=self.manager.adopt_threads,
                parse_input=self._hooks.parse_input,
                config=config,
            )
            if asked.capture:
                options["capture"] = asked.capture
            if self._hooks.on_end is not None:
                options["on_end"] = self._hooks.on_end
            return await self.manager.start(
                call.runnable,
                call.input,
                call.config,
                user=user,
                thread_id=call.thread_id,
                resume=asked.resume,
                metadata=asked.metadata,
                context=await _called(self._hooks.context_for, request),
                held=holding.pop_all(),
                **options,
            )

    def view_after(self, since: Position | None) -> LogView:
        """Return what shows a run's log to a client that has it up to ``since``."""
        return LogView(self.view, metadata=self.metadata, after=since)

    async def entries(
        self, run_id: str, since: Position | None, first: Position | None, user: str | None
    ) -> AsyncGenerator[Stretch]:
        """Return the events of a run after ``first``, for a client that has those to ``since``.

        Raises ``RunGone``, ``NotOwner``, ``ReplayGap``, ``LogUnavailable`` before that; instead of
        the first two, ``Refusal`` to whoever has a part of the run.
        """
        with _gone_after(since):
            await self.manager.check(run_id, since, user=user)
        return self.manager.log.follow(run_id, first)

    async def events(self, run_id: str, user: str | None) -> AsyncGenerator[list[Event]]:
        """Yield all events of a run, as many at a time as there are, to the last.

        Raises as ``entries``, and ``LogUnavailable`` where the log ends before the run.
        """
        async with aclosing(await self.entries(run_id, None, None, user)) as stretches:
            async for stretch in stretches:
                found = list(events_of(stretch))
                yield found
                if found and found[-1].type in TERMINAL_TYPES:
                    return
        raise LogUnavailable("the run's log ended before the run")

    async def read_all(self, run_id: str, since: Position, user: str | None) -> bool:
        """Whether the run has ended, and a client at ``since`` has all of it.

        Raises as ``entries``.
        """
        with _gone_after(since):
            status = await self.manager.status(run_id, user=user)
        return status.status != "running" and str(since) == status.last_event_id

    @asynccontextmanager
    async def serving(self, request: HTTPConnection) -> AsyncGenerator[Runnable[Any, Any]]:
        """Give what is served to a request that starts no run."""
        async with AsyncExitStack() as held:
            yield await self._served.runnable(request, held)

    async def messages(
        self, request: HTTPConnection, thread_id: str, user: str | None
    ) -> dict[str, Any]:
        """Return what a thread's newest checkpoint has. Raises ``RunGone`` if there is none."""
        async with self.serving(request) as runnable:
            thread = await Checkpoints(runnable, adopt=self.manager.adopt_threads).thread(
                thread_id, user
            )
        if thread is None:
            raise RunGone(f"there is no thread {thread_id!r}")
        interrupts = [
            {"interrupt_id": key, "payload": value} for key, value in thread.interrupts.items()
        ]
        return {
            "thread_id": thread_id,
            "messages": plain_messages(thread),
            "interrupts": interrupts,
        }


@contextmanager
def _gone_after(since: Position | None) -> Generator[None]:
    try:
        yield
    except (RunGone, NotOwner) as exc:
        raise (exc if since is None else broken_off(exc)) from exc


async def _called(hook: Callable[[Any], Any] | None, value: Any) -> Any:
    if hook is None:
        return None
    answer = hook(value)
    return await answer if inspect.isawaitable(answer) else answer
