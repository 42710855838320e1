"""What LangGraph's clients ask of a run, and what of it a server that keeps its own counsel does.

Guarantees: what is asked is done, or refused with a word why (422); a client's config is not taken
but for the thread and the checkpoint that it names. Passed over is only what is for LangGraph's own
platform, or is so here in any case: ``stream_resumable``, ``tags``, ``recursion_limit``,
``feedback_keys``, tracing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

import msgspec

from langchain_streamkit.serve.langgraph.answers import checkpoint_named, unprocessable
from langchain_streamkit.wire.langgraph.classic import ASKED, MODES, StreamMode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from langchain_streamkit.manager.threads import OnBusy

_BUSY: Final[dict[str, OnBusy]] = {
    "reject": "reject",
    "enqueue": "queue",
    "interrupt": "cancel",
}
_OF_A_THREAD: Final = ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")
Nodes: TypeAlias = Literal["*"] | list[str] | None


class Command(msgspec.Struct, frozen=True):
    """How an interrupted thread goes on."""

    resume: Any = msgspec.UNSET
    update: Any = None
    goto: Any = None


class RunConfig(msgspec.Struct, frozen=True):
    """The config of a client."""

    configurable: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class RunBody(msgspec.Struct, frozen=True):
    """The body of all that starts a run."""

    assistant_id: str
    input: Any = None
    command: Command | None = None
    stream_mode: str | list[str] | None = None
    stream_subgraphs: bool | None = None
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    checkpoint: dict[str, Any] | None = None
    checkpoint_id: str | None = None
    multitask_strategy: Literal["reject", "enqueue", "interrupt", "rollback"] | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    on_completion: Literal["delete", "keep"] | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    webhook: str | None = None
    after_seconds: float | None = None


class Wanted(NamedTuple):
    """A run as it is to be started."""

    input: Any
    resume: Any
    """What was answered; ``msgspec.UNSET`` where nothing was."""
    metadata: dict[str, Any]
    configurable: dict[str, Any]
    call: dict[str, Any]
    """Options of the graph's call."""
    on_busy: OnBusy | None


def wanted(body: RunBody, thread_id: str) -> Wanted:
    """Return what a client wants run. Raises ``Refusal``."""
    config = body.config or RunConfig()
    for name, value, instead in (
        ("webhook", body.webhook, "read the run's stream, or ask GET /threads/{id}/runs/{id}"),
        ("after_seconds", body.after_seconds, "start the run when it is time"),
        ("context", body.context, "the server decides it (context_for=)"),
        ("command.update", body.command and body.command.update, "POST /threads/{id}/state"),
        ("command.goto", body.command and body.command.goto, "POST /threads/{id}/state, as_node"),
    ):
        if value:
            raise unprocessable(f'"{name}" is not served here: {instead}')
    if body.multitask_strategy == "rollback":
        raise unprocessable(
            '"multitask_strategy": "rollback" is not served here: what a run has written stays;'
            ' send "interrupt", "enqueue" or "reject"'
        )
    resume = msgspec.UNSET if body.command is None else body.command.resume
    if resume is not msgspec.UNSET and body.input is not None:
        raise unprocessable('send "input" or "command", not both')
    metadata = {**(config.metadata or {}), **(body.metadata or {})}
    modes = modes_of(body.stream_mode)
    metadata[ASKED] = ",".join([*modes, *(["subgraphs"] if body.stream_subgraphs else [])])
    call = {
        name: value
        for name in ("durability", "interrupt_before", "interrupt_after")
        if (value := getattr(body, name)) is not None
    }
    return Wanted(
        body.input,
        resume,
        metadata,
        _configurable(body, config.configurable or {}, thread_id),
        call,
        _BUSY.get(body.multitask_strategy or ""),
    )


def modes_of(asked: str | Collection[str] | None) -> list[StreamMode]:
    """Return the stream modes that are named; ``values`` where none is. Raises ``Refusal``."""
    names = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked or ()))
    for name in names:
        if name not in MODES:
            raise unprocessable(
                f'"stream_mode": {name!r} is not served here; send some of'
                f" {', '.join(sorted(MODES))}"
            )
    return cast("list[StreamMode]", names or ["values"])


def answers_of(resume: Any, pending: Collection[str]) -> Mapping[str, Any]:
    """Return answers by interrupt id; a single answer is that of the only interrupt.

    Raises ``Refusal`` where it could be that of several, or of none.
    """
    if isinstance(resume, dict):
        given = cast("dict[str, Any]", resume)
        if given and all(key in pending for key in given):
            return given
    if len(pending) == 1:
        return {next(iter(pending)): resume}
    if not pending:
        raise unprocessable('"command.resume": the thread waits for no answer')
    ids = ", ".join(sorted(pending))
    raise unprocessable(
        f'"command.resume": the thread waits for {len(pending)} answers; send them by interrupt id,'
        f" {{id: answer}}; pending: {ids}"
    )


def _configurable(body: RunBody, given: Mapping[str, Any], thread_id: str) -> dict[str, Any]:
    for key in given:
        if key not in _OF_A_THREAD:
            raise unprocessable(
                f'"config.configurable": {key!r} is not taken from clients: the server decides it'
                " (config_for=), or it belongs into the input"
            )
    where = '"config.configurable"'
    found = dict(checkpoint_named(dict(given) or None, thread_id, where) or {})
    named = checkpoint_named(body.checkpoint or body.checkpoint_id, thread_id, '"checkpoint"')
    return {**found, **(named or {})}
