"""The output items of OpenAI's Responses, each as the events that build it.

Guarantees: an item is added, its part too, then filled, then done: its text, its part, itself, and
what ``done`` says is what the deltas join to. One item has one part.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from langchain_streamkit.wire.openai.terms import as_object

if TYPE_CHECKING:
    from collections.abc import Iterable

Sent: TypeAlias = tuple[str, dict[str, Any]]
"""Type and fields of one event."""


class Item(Protocol):
    """One output item."""

    def added(self) -> list[Sent]:
        """Return the events that begin it."""
        ...

    def filled(self, text: str) -> Sent:
        """Return the event of a piece of it."""
        ...

    def done(self, annotations: Iterable[Any] = ()) -> list[Sent]:
        """Return the events that end it."""
        ...

    def body(self) -> dict[str, Any]:
        """Return the item as far as it has come."""
        ...


class Shape(NamedTuple):
    """How an item of one part is written."""

    item: dict[str, Any]
    parts: str
    """The item's field that holds its part."""
    place: str
    """The field of events that says which part."""
    part: dict[str, Any]
    field: str
    """The part's field that holds its text."""
    of_part: str
    of_text: str
    """What the types of events of the part and of its text begin with."""
    also: dict[str, Any]
    """Further fields of the events of its text."""


_MESSAGE = {"type": "message", "role": "assistant"}
_CONTENT = ("content", "content_index")
TEXT = Shape(
    _MESSAGE,
    *_CONTENT,
    {"type": "output_text", "annotations": [], "logprobs": []},
    "text",
    "response.content_part",
    "response.output_text",
    {"logprobs": []},
)
REFUSAL = Shape(
    _MESSAGE,
    *_CONTENT,
    {"type": "refusal"},
    "refusal",
    "response.content_part",
    "response.refusal",
    {},
)
REASONING = Shape(
    {"type": "reasoning"},
    "summary",
    "summary_index",
    {"type": "summary_text"},
    "text",
    "response.reasoning_summary_part",
    "response.reasoning_summary_text",
    {},
)


class PartItem:
    """A text, a refusal or thinking, as ``shape`` has it."""

    def __init__(self, shape: Shape, item_id: str, output_index: int) -> None:
        self._shape = shape
        self._id = item_id
        self._output_index = output_index
        self._where = {"item_id": item_id, "output_index": output_index, shape.place: 0}
        self._delta = f"{shape.of_text}.delta"
        self._text = StringIO()
        self._annotations: list[dict[str, Any]] = []
        self._done = False

    def added(self) -> list[Sent]:
        """Return the events that begin it."""
        item = self._item("in_progress", [])
        part = {**self._shape.part, self._shape.field: ""}
        return [
            ("response.output_item.added", {"output_index": self._output_index, "item": item}),
            (f"{self._shape.of_part}.added", {**self._where, "part": part}),
        ]

    def filled(self, text: str) -> Sent:
        """Return the event of a piece of it."""
        self._text.write(text)
        return self._delta, {**self._where, "delta": text, **self._shape.also}

    def done(self, annotations: Iterable[Any] = ()) -> list[Sent]:
        """Return the events that end it; citations of web pages among ``annotations`` are kept."""
        shape = self._shape
        self._annotations = [found for one in annotations if (found := _citation(as_object(one)))]
        self._done = True
        whole = {shape.field: self._text.getvalue(), **shape.also}
        return [
            (f"{shape.of_text}.done", {**self._where, **whole}),
            (f"{shape.of_part}.done", {**self._where, "part": self._part()}),
            _item_done(self._output_index, self.body()),
        ]

    def body(self) -> dict[str, Any]:
        """Return the item as far as it has come."""
        return self._item("completed" if self._done else "incomplete", [self._part()])

    def _item(self, status: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._shape.item, "id": self._id, "status": status, self._shape.parts: parts}

    def _part(self) -> dict[str, Any]:
        part = {**self._shape.part, self._shape.field: self._text.getvalue()}
        return part | {"annotations": self._annotations} if self._annotations else part


class CallItem:
    """A call of a function, which the client is to make."""

    def __init__(self, call_id: str, name: str, item_id: str, output_index: int) -> None:
        self._call_id = call_id
        self._name = name
        self._id = item_id
        self._output_index = output_index
        self._arguments = StringIO()
        self._done = False

    def added(self) -> list[Sent]:
        """Return the event that begins it."""
        item = self._item("in_progress")
        return [("response.output_item.added", {"output_index": self._output_index, "item": item})]

    def filled(self, text: str) -> Sent:
        """Return the event of a piece of its arguments."""
        self._arguments.write(text)
        return "response.function_call_arguments.delta", self._where() | {"delta": text}

    def done(self, annotations: Iterable[Any] = ()) -> list[Sent]:
        """Return the events that end it. Calls without arguments have ``{}``."""
        nothing = [] if self._arguments.getvalue() else [self.filled("{}")]
        self._done = True
        whole = {"arguments": self._arguments.getvalue(), "name": self._name}
        return [
            *nothing,
            ("response.function_call_arguments.done", self._where() | whole),
            _item_done(self._output_index, self.body()),
        ]

    def body(self) -> dict[str, Any]:
        """Return the item as far as it has come."""
        return self._item("completed" if self._done else "incomplete")

    def _where(self) -> dict[str, Any]:
        return {"item_id": self._id, "output_index": self._output_index}

    def _item(self, status: str) -> dict[str, Any]:
        return {
            "type": "function_call",
            "id": self._id,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": self._arguments.getvalue(),
            "status": status,
        }


def _item_done(output_index: int, item: dict[str, Any]) -> Sent:
    return "response.output_item.done", {"output_index": output_index, "item": item}


def _citation(annotation: dict[str, Any]) -> dict[str, Any] | None:
    """Return LangChain's citation of a web page as OpenAI's; None for any other annotation."""
    if annotation.get("type") != "citation" or not isinstance(annotation.get("url"), str):
        return None
    return {
        "type": "url_citation",
        "url": annotation["url"],
        "title": annotation.get("title") or "",
        "start_index": annotation.get("start_index") or 0,
        "end_index": annotation.get("end_index") or 0,
    }
