"""The threads of a graph between its runs: whose they are, what they hold, what they wait for.

A graph's checkpoints outlive every log, so that whose a thread is stands in their metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_streamkit.errors import NotOwner, StreamUsageError
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.text import short_repr
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable
    from langgraph.types import StateSnapshot

OWNER: Final = "streamkit_user"
"""The key in the metadata of runs and checkpoints that says whose they are."""


class Thread(NamedTuple):
    """A conversation as its newest checkpoint has it."""

    messages: list[Any]
    """LangChain messages."""
    interrupts: Mapping[str, Any]
    """What it waits for: values by interrupt id."""


class Checkpoints:
    """What the checkpointer of ``runnable`` has; nothing, if it has none.

    ``adopt`` opens threads that were made without an owner to every user.
    """

    def __init__(self, runnable: Runnable[Any, Any], *, adopt: bool = False) -> None:
        bare: Any = unwrapped(runnable)
        self._graph: Any = bare if getattr(bare, "checkpointer", None) else None
        self._adopt = adopt

    @property
    def kept(self) -> bool:
        """Whether threads are kept: there is a checkpointer, and each run needs a thread."""
        return self._graph is not None

    async def thread(self, thread_id: str, user: str | None) -> Thread | None:
        """Return the thread; None where there is none. Raises ``NotOwner``."""
        if self._graph is None:
            return None
        state = await state_of(self._graph, {"configurable": {"thread_id": thread_id}})
        if state.created_at is None and not state.values:
            return None
        metadata: Any = state.metadata or {}
        owner = metadata.get(OWNER)
        if owner != user and not (owner is None and self._adopt):
            raise NotOwner(
                f"thread {thread_id!r} belongs to {'another user' if owner else 'nobody'}"
                + ("" if owner else "; pass adopt_threads=True to open such threads to all users")
            )
        values: Any = state.values
        found: Any = values.get("messages") if hasattr(values, "get") else None
        messages = _as_list(found) if isinstance(found, list | tuple) else []
        return Thread(messages, {one.id: one.value for one in state.interrupts})

    async def answered(self, thread_id: str | None, user: str | None, answers: object) -> Any:
        """Return the input that goes on with ``answers``, by interrupt id.

        Raises ``StreamUsageError`` when the thread does not wait for them, ``NotOwner``.
        """
        if self._graph is None or thread_id is None:
            what = "no thread is named" if self._graph is not None else "nothing here is kept"
            raise StreamUsageError(
                f"resume= goes on with an interrupted thread, and {what}: pass thread_id= and a"
                " graph with a checkpointer",
                wire='"resume" goes on with an interrupted thread: name it in "thread_id"',
            )
        thread = await self.thread(thread_id, user)
        waiting: Mapping[str, Any] = {} if thread is None else thread.interrupts
        given = cast("Mapping[str, Any]", answers)
        if not isinstance(answers, Mapping) or not answers:
            raise _no_answers(f"{short_repr(given)} are no answers", waiting)
        unknown = [key for key in given if key not in waiting]
        if unknown:
            raise _no_answers(f"thread has no interrupt {short_repr(unknown[0])}", waiting)
        from langgraph.types import Command

        return Command(resume=dict(given))


async def state_of(graph: Any, config: Any, **options: Any) -> StateSnapshot:
    """Return ``graph.aget_state``; where a run left writes that the state does not take, without.

    LangGraph applies them first, and raises what the reducer raises, again each time it is asked;
    its next run leaves them out.
    """
    try:
        found = await graph.aget_state(config, **options)
    except Exception:
        saved = await graph.checkpointer.aget_tuple(config)
        if saved is None:
            raise
        found = await graph.aget_state(saved.config, **options)
    return cast("StateSnapshot", found)


def plain_messages(thread: Thread) -> list[Any]:
    """Return the thread's messages as plain JSON."""
    return [to_plain(message) for message in thread.messages]


def _no_answers(what: str, waiting: Mapping[str, Any]) -> StreamUsageError:
    pending = ", ".join(sorted(waiting)) or "none"
    text = f"{what}; answer by id, {{interrupt_id: answer}}; pending: {pending}"
    return StreamUsageError(f"resume={text}", wire=f'"resume": {text}')


def _as_list(messages: Any) -> list[Any]:
    return list(messages)
