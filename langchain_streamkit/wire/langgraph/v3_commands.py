"""Commands of the agent streaming protocol, and how they are answered.

A command is ``{"id", "method", "params"}``; its answer ``{"type": "success", "id", "result"}`` or
``{"type": "error", "id", "error", "message"}``, where ``error`` is one of the protocol's codes.

Guarantees: whatever a client sends is read as a command or raises ``CommandError``, which says
what is wrong with it; keys that are not known are passed over, as clients send more than is in the
protocol.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from langchain_streamkit.wire.langgraph.v3_frames import CHANNELS, Data, Wanted

T = TypeVar("T")

ErrorName: TypeAlias = Literal[
    "invalid_argument",
    "unknown_command",
    "unknown_error",
    "no_such_run",
    "no_such_subscription",
    "no_such_namespace",
    "no_such_interrupt",
    "no_such_checkpoint",
    "permission_denied",
    "not_supported",
    "resume_gap",
]
NOT_SERVED: Final = {
    "agent.getTree": "the tree of agents is told by lifecycle events",
    "input.inject": "messages are input of run.start",
    "state.fork": "runs go on from a thread's newest checkpoint",
}
"""Commands of the protocol that are refused, and what there is instead."""
SERVED: Final = (
    "run.start",
    "input.respond",
    "state.get",
    "state.listCheckpoints",
    "subscription.subscribe",
    "subscription.unsubscribe",
    "subscription.reconnect",
)
"""Commands that are done, the subscriptions by WebSocket alone."""
_NO_EVENTS: Final = "tasks"
"""A channel that clients ask for among others; alone it would be a stream that says nothing."""


class CommandError(Exception):
    """A command that is not done."""

    def __init__(self, code: ErrorName, message: str) -> None:
        super().__init__(message)
        self.code: ErrorName = code
        self.message = message


class Command(msgspec.Struct, frozen=True):
    """What a client asks, under a number of its own."""

    id: Annotated[int, msgspec.Meta(ge=0)]
    method: str
    params: dict[str, Any] = {}


class RunStart(msgspec.Struct, frozen=True):
    """``run.start``: run the graph on ``input``, in the thread of the path."""

    assistant_id: str
    input: Any = None
    config: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    multitask_strategy: str | None = None
    """What becomes of a run that the thread has already: ``reject`` the new one, ``enqueue`` it,
    or ``interrupt`` the old one."""


class Response(msgspec.Struct, frozen=True):
    """The answer to one interrupt."""

    interrupt_id: str
    response: Any = None


class InputRespond(msgspec.Struct, frozen=True):
    """``input.respond``: go on with an interrupted thread; several answers, or one."""

    responses: list[Response] | None = None
    interrupt_id: str | None = None
    response: Any = None
    update: Any = None
    goto: Any = None
    metadata: dict[str, Any] | None = None

    def answers(self) -> dict[str, Any]:
        """Return the answers by interrupt id. Raises ``CommandError``."""
        if self.update is not None or self.goto is not None:
            said = "an answer changes no state by itself: send it without update and goto"
            raise CommandError("not_supported", said)
        if self.responses:
            return {one.interrupt_id: one.response for one in self.responses}
        if self.interrupt_id is None:
            raise CommandError("invalid_argument", "name what is answered: interrupt_id")
        return {self.interrupt_id: self.response}


class Subscribe(msgspec.Struct, frozen=True):
    """``subscription.subscribe``, and the body of a stream by HTTP."""

    channels: list[str]
    namespaces: list[list[str]] | None = None
    depth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    since: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def wanted(self) -> Wanted:
        """Return what it selects. Raises ``CommandError``."""
        for channel in self.channels:
            name, _, rest = channel.partition(":")
            if not (channel in {*CHANNELS, _NO_EVENTS} or (name == "custom" and rest)):
                known = ", ".join(sorted(CHANNELS))
                said = f"there is no channel {channel!r}; there are {known}, custom:<name>"
                raise CommandError("invalid_argument", said)
        if not set(self.channels) - {_NO_EVENTS}:
            said = "the channel tasks is not served; lifecycle says when graphs begin and end"
            raise CommandError("not_supported", said if self.channels else "name some channels")
        return Wanted(frozenset(self.channels), self.namespaces or (), self.depth, self.since or 0)


class Unsubscribe(msgspec.Struct, frozen=True):
    """``subscription.unsubscribe``."""

    subscription_id: str


class StateGet(msgspec.Struct, frozen=True):
    """``state.get``: the state of the graph in a namespace."""

    namespace: list[str] = []
    keys: list[str] | None = None


class ListCheckpoints(msgspec.Struct, frozen=True):
    """``state.listCheckpoints``, newest first; ``before`` is a checkpoint's id."""

    namespace: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    before: str | None = None


_decode: Final = msgspec.json.Decoder(Command).decode


def read_command(data: bytes | str) -> Command:
    """Read a command. Raises ``CommandError``."""
    try:
        return _decode(data)
    except msgspec.ValidationError as exc:
        said = f'{exc}; send {{"id": 1, "method": "run.start", "params": {{}}}}'
        raise CommandError("invalid_argument", said) from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise CommandError("invalid_argument", f"this is no JSON: {exc}") from exc


def read_params(params: Any, kind: type[T], where: str) -> T:
    """Return the parameters of a command, or a body, as ``kind``. Raises ``CommandError``."""
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as exc:
        raise CommandError("invalid_argument", f"{where}: {exc}") from exc


def success(command_id: int, result: Data, *, applied_through: int | None = None) -> Data:
    """Return the answer to a command that is done.

    ``applied_through`` is a ``seq``: events up to it are of before the command.
    """
    answer: Data = {"type": "success", "id": command_id, "result": result}
    if applied_through is not None:
        answer["meta"] = {"applied_through_seq": applied_through}
    return answer


def failure(command_id: int | None, error: CommandError) -> Data:
    """Return the answer to a command that is not done; without an id, why a stream ends."""
    return {"type": "error", "id": command_id, "error": error.code, "message": error.message}
