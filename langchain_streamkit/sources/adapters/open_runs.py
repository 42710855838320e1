"""The runs that are open in a stream which does not say of all of them that they have failed.

``astream_events`` has no events for the failures of models and chains: a run that failed just says
nothing more. Guarantees: a failed attempt is known for one when the next attempt begins, where
that can be told from parallel work, else when its parent ends; what is only suspected (the same
question asked again in the same node) is known when the new answer begins and the old one has been
silent since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.sources.tree import COMPOSITION_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from langchain_streamkit.sources.adapters.event_fields import EventFields, Kind

_RETRY_TAG: Final = "retry:attempt:"
_FALLBACKS: Final = "RunnableWithFallbacks"
_AGENT: Final = "langchain_create_agent"
"""``ls_integration`` of the nodes of an agent; its node ``model`` asks one model at a time."""


class OpenRun:
    """One run that is open, as far as its events have told."""

    __slots__ = (
        "children",
        "given",
        "is_node",
        "key",
        "kind",
        "metadata",
        "name",
        "namespace",
        "parent",
        "rivals",
        "spoken",
        "step",
        "tags",
        "text",
        "tried",
    )

    def __init__(self, key: UUID, event: EventFields, parent: OpenRun | None) -> None:
        self.key = key
        self.text = event.run
        """Its id as the source writes it."""
        self.kind: Kind = event.kind
        self.name = event.name
        self.tags = event.tags
        self.metadata = event.metadata
        self.given: Any = event.data.get("input")
        self.parent = parent
        self.children: dict[str, OpenRun] = {}
        self.namespace: str = event.metadata.get("langgraph_checkpoint_ns") or ""
        around = parent.namespace if parent is not None else ""
        self.is_node = (
            event.kind == "chain"
            and self.namespace != around
            and event.name == event.metadata.get("langgraph_node")
        )
        step: Any = event.metadata.get("langgraph_step")
        self.step: int = step if isinstance(step, int) else -1
        self.spoken = False
        """Whether a model has said anything yet."""
        self.rivals: list[OpenRun] = []
        """Models that have failed if they stay silent until this one speaks."""
        self.tried: list[tuple[str, Any, str]] = []
        """Name, input and call id of the tools that failed below it."""

    @property
    def scope(self) -> OpenRun | None:
        """The nearest node or tool around it, else the outermost run: what is asked twice in there
        may be a retry.
        """
        run = self.parent
        while run is not None and not run.is_node and run.kind != "tool" and run.parent:
            run = run.parent
        return run

    @property
    def asks_one_by_one(self) -> bool:
        """Whether models in it never run side by side."""
        return (
            self.is_node and self.name == "model" and self.metadata.get("ls_integration") == _AGENT
        )

    @property
    def tries_in_turn(self) -> bool:
        """Whether it is a ``RunnableWithFallbacks``, which has one attempt open at a time."""
        return self.kind == "chain" and self.name == _FALLBACKS

    def below(self) -> Iterator[OpenRun]:
        """What is open in it, children before parents, latest first."""
        for child in reversed(list(self.children.values())):
            yield from child.below()
            yield child


class OpenRuns:
    """The open runs by the ids that the source writes."""

    def __init__(self) -> None:
        self._runs: dict[str, OpenRun] = {}

    def get(self, text: str) -> OpenRun | None:
        """The open run of this id."""
        return self._runs.get(text)

    def nodes(self) -> list[OpenRun]:
        """The open nodes of graphs, innermost last."""
        return [run for run in self._runs.values() if run.is_node]

    def single_line(self) -> list[OpenRun]:
        """The open runs from the outermost in, as long as each is the only one in the other."""
        line = [run for run in self._runs.values() if run.parent is None]
        if len(line) != 1:
            return []
        while len(line[-1].children) == 1:
            line += line[-1].children.values()
        return line

    def parent_of(self, event: EventFields) -> OpenRun | None:
        """The nearest of the run's ancestors that is open."""
        for text in reversed(event.parents):
            if text != event.run and (run := self._runs.get(text)) is not None:
                return run
        return None

    def add(self, run: OpenRun) -> None:
        """The run has begun, below ``run.parent``."""
        self._runs[run.text] = run
        if run.parent is not None:
            run.parent.children[run.text] = run

    def remove(self, run: OpenRun) -> None:
        """The run has ended; what is still open in it is its parent's."""
        self._runs.pop(run.text, None)
        if run.parent is not None:
            run.parent.children.pop(run.text, None)
        for child in run.children.values():
            child.parent = run.parent
            if run.parent is not None:
                run.parent.children[child.text] = child
        run.children = {}

    # ---- what a run that begins tells of others ----------------------------------------------

    def adopt(self, run: OpenRun) -> OpenRun | None:
        """Put a run that begins below the fallbacks that try it; returns them, if they do.

        ``RunnableWithFallbacks`` reports what it tries as its siblings, with its own tags and
        input.
        """
        if run.parent is None:
            return None
        if run.parent.tries_in_turn:
            return run.parent
        found = [
            other
            for other in run.parent.children.values()
            if other.tries_in_turn
            and not run.tries_in_turn  # those are side by side, hardly ever one in the other
            and set(other.tags) <= set(run.tags)
            and same_input(other, run)
        ]
        if not found:
            return None
        # Of several in parallel, one that tries nothing yet; else nobody can say which
        holder = next((other for other in found if not other.children), found[0])
        run.parent = holder
        run.tags = [tag for tag in run.tags if not tag.startswith(COMPOSITION_TAGS)]
        return holder if len(found) == 1 else None

    def failed_before(self, run: OpenRun, fallbacks: OpenRun | None) -> list[OpenRun]:
        """The attempts that must have failed for ``run`` to begin."""
        parent = run.parent
        if parent is None:
            return []
        siblings = [other for other in parent.children.values() if other is not run]
        if fallbacks is not None:
            return siblings
        if run.is_node:
            return [one for one in siblings if one.is_node and one.namespace == run.namespace]
        if any(tag.startswith(_RETRY_TAG) for tag in run.tags):
            return [one for one in siblings if one.name == run.name]
        scope = run.scope
        if run.kind == "model" and scope is not None and scope.asks_one_by_one:
            return [one for one in scope.below() if one.kind == "model"]
        return []

    def left_before(self, run: OpenRun) -> list[OpenRun]:
        """Nodes of earlier steps of the same graph: they have ended, although nothing said so."""
        if not run.is_node or run.parent is None or run.parent.is_node:
            return []
        siblings = run.parent.children.values()
        return [one for one in siblings if one.is_node and one.step < run.step]

    def rivals_of(self, run: OpenRun) -> list[OpenRun]:
        """Models that were asked the same in the same place and are in the middle of an answer.

        Those that have not begun may well run side by side.
        """
        if run.kind != "model" or (scope := run.scope) is None:
            return []
        return [
            one
            for one in scope.below()
            if one.kind == "model"
            and one is not run
            and one.spoken
            and one.scope is scope
            and same_input(one, run)
        ]


def same_input(left: OpenRun, right: OpenRun) -> bool:
    """Whether both were given the same, as far as it can be compared."""
    try:
        return bool(_comparable(left.given) == _comparable(right.given))
    except Exception:  # noqa: BLE001 -- of a user's __eq__
        return False


def _comparable(given: Any) -> Any:
    """A model's messages, prompts or the input they were made of, in one form."""
    found = _only(given, "messages") or _only(given, "prompts") or given
    to_messages: Any = getattr(found, "to_messages", None)
    if to_messages is not None:
        found = to_messages()
    while isinstance(found, list | tuple):
        items = cast("list[Any]", found)
        if len(items) != 1:
            return items
        found = items[0]
    if isinstance(found, dict):
        return cast("dict[str, Any]", found).get("content", found)
    return getattr(found, "content", found)


def _only(given: Any, key: str) -> Any:
    """What is in a dictionary that has just this key."""
    fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    return fields.get(key) if len(fields) == 1 else None
