"""What the commands of the agent streaming protocol do to a thread.

Guarantees: a thread is made by its first run, and found as any other; a client's config is never
taken; what is done is done for the thread's owner alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_streamkit.errors import RunGone, StreamUsageError
from langchain_streamkit.manager.checkpoints import Checkpoints
from langchain_streamkit.manager.thread_states import ThreadStates
from langchain_streamkit.serve.langgraph.assistants import checked_assistant
from langchain_streamkit.serve.langgraph.threads import thread_or_begun
from langchain_streamkit.serve.protocols.native import asked_natively
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.serve.requests import RunRequest
from langchain_streamkit.text import short_repr
from langchain_streamkit.wire.langgraph.state import thread_state
from langchain_streamkit.wire.langgraph.v3 import CAPTURE
from langchain_streamkit.wire.langgraph.v3_commands import (
    NOT_SERVED,
    SERVED,
    Command,
    CommandError,
    InputRespond,
    ListCheckpoints,
    RunStart,
    StateGet,
    read_params,
    success,
)
from langchain_streamkit.wire.langgraph.v3_frames import SEQS

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot
    from starlette.requests import HTTPConnection

    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.wire.langgraph.v3_frames import Data

_ON_BUSY: Final = {"reject": "reject", "enqueue": "queue", "interrupt": "cancel"}


class ThreadCommands(NamedTuple):
    """The commands of a user for one thread."""

    service: RunService
    connection: HTTPConnection
    thread_id: str
    user: str | None

    async def do(self, command: Command) -> Data:
        """Return the answer to a command. Raises ``CommandError``, and as ``RunManager.start``."""
        match command.method:
            case "run.start":
                return await self._start(command)
            case "input.respond":
                return await self._respond(command)
            case "state.get":
                return success(command.id, await self._state(command))
            case "state.listCheckpoints":
                return success(command.id, await self._checkpoints(command))
            case "subscription.reconnect":  # no subscription outlives its connection
                return success(command.id, {"restored": False})
            case "subscription.subscribe" | "subscription.unsubscribe":
                said = "a subscription by HTTP is a request: POST stream/events; or use a WebSocket"
                raise CommandError("not_supported", said)
            case method if method in NOT_SERVED:
                raise CommandError("not_supported", f"{method} is not served: {NOT_SERVED[method]}")
            case method:
                said = f"there is no command {short_repr(method)}; write one of {', '.join(SERVED)}"
                raise CommandError("unknown_command", said)

    # ---- runs ------------------------------------------------------------------------------------

    async def _start(self, command: Command) -> Data:
        asked = read_params(command.params, RunStart, "run.start")
        try:
            checked_assistant(asked.assistant_id, self.service.names)
        except Refusal as exc:
            raise CommandError("invalid_argument", str(exc)) from exc
        configurable: object = (asked.config or {}).get("configurable")
        if isinstance(configurable, dict) and cast("Data", configurable).get("checkpoint_id"):
            raise CommandError("not_supported", f"no forks: {NOT_SERVED['state.fork']}")
        options: dict[str, Any] = {}
        if asked.multitask_strategy is not None:
            if asked.multitask_strategy not in _ON_BUSY:
                said = f"multitask_strategy: write {', '.join(_ON_BUSY)}"
                raise CommandError("invalid_argument", said)
            options["on_busy"] = _ON_BUSY[asked.multitask_strategy]
        request = RunRequest(
            input=asked.input, thread_id=self.thread_id, metadata=asked.metadata or {}
        )
        await self._begin()
        return await self._run(command, request, **options)

    async def _begin(self) -> None:
        """Make the thread, if it is not there and what is served keeps threads."""
        manager = self.service.manager
        async with self.service.serving(self.connection) as runnable:
            if Checkpoints(runnable).kept:
                states = ThreadStates(runnable, adopt=manager.adopt_threads)
                await thread_or_begun(manager, states, self.thread_id, self.user)

    async def _respond(self, command: Command) -> Data:
        asked = read_params(command.params, InputRespond, "input.respond")
        request = RunRequest(
            resume=asked.answers(), thread_id=self.thread_id, metadata=asked.metadata or {}
        )
        try:
            return await self._run(command, request)
        except StreamUsageError as exc:
            raise CommandError("no_such_interrupt", exc.wire or "nothing waits for this") from exc

    async def _run(self, command: Command, request: RunRequest, **options: Any) -> Data:
        run_id = await self.service.start(
            self.connection, asked_natively(request), self.user, capture=CAPTURE, **options
        )
        number = await self.service.manager.run_number(self.thread_id, run_id)
        through = None if number is None else number * SEQS
        return success(command.id, {"run_id": run_id}, applied_through=through)

    # ---- state -----------------------------------------------------------------------------------

    async def _state(self, command: Command) -> Data:
        asked = read_params(command.params, StateGet, "state.get")
        async with self.service.serving(self.connection) as runnable:
            states = ThreadStates(runnable, adopt=self.service.manager.adopt_threads)
            try:
                found = await states.newest(self.thread_id, self.user)
                if asked.namespace:
                    inside = {"checkpoint_ns": "|".join(asked.namespace)}
                    found = await states.at(self.thread_id, self.user, inside)
            except RunGone as exc:
                raise _no_state(asked.namespace) from exc
        shown = thread_state(found, metadata=self.service.metadata)
        values = shown["values"]
        if asked.keys is not None and isinstance(values, dict):
            values = {key: values[key] for key in asked.keys if key in values}
        return {"values": values, "checkpoint": _reference(shown)}

    async def _checkpoints(self, command: Command) -> Data:
        asked = read_params(command.params, ListCheckpoints, "state.listCheckpoints")
        inside = {"checkpoint_ns": "|".join(asked.namespace)} if asked.namespace else None
        async with self.service.serving(self.connection) as runnable:
            states = ThreadStates(runnable, adopt=self.service.manager.adopt_threads)
            try:
                found = await states.history(
                    self.thread_id,
                    self.user,
                    limit=asked.limit,
                    before=asked.before,
                    checkpoint=inside,
                )
            except RunGone as exc:
                raise _no_state(asked.namespace) from exc
        return {"checkpoints": [self._summary(one) for one in found]}

    def _summary(self, state: StateSnapshot) -> Data:
        shown = thread_state(state, metadata=self.service.metadata)
        about = shown["metadata"]
        return {
            "id": shown["checkpoint"]["checkpoint_id"],
            "timestamp": shown["created_at"],
            "step": about.get("step", -1),
            "metadata": about,
        }


def _no_state(namespace: list[str]) -> CommandError:
    if namespace:
        return CommandError("no_such_namespace", f"there is no state in {namespace}")
    return CommandError("no_such_checkpoint", "the thread has no state yet")


def _reference(shown: Data) -> Data:
    checkpoint = shown["checkpoint"]
    return {"id": checkpoint["checkpoint_id"], "ns": checkpoint["checkpoint_ns"]}
