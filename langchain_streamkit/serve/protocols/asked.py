"""What a request of any front end comes to: ``Asked``; and what a front end is: ``FrontEnd``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from msgspec import UNSET

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from starlette.responses import Response

    from langchain_streamkit.events import Event
    from langchain_streamkit.serve.refusals import Refusal
    from langchain_streamkit.wire.openai.terms import Reply
    from langchain_streamkit.wire.protocol import Encoder


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request for one run, in LangChain's words."""

    encoder: Encoder | Literal["native"]
    """Of the stream that answers it."""
    input: Any = UNSET
    """What is run takes, where the client sends that itself, and not messages."""
    messages: list[BaseMessage] = field(default_factory=list["BaseMessage"])
    """The whole conversation, for what keeps none."""
    new_messages: list[BaseMessage] | None = None
    """What a thread that keeps its own history does not have yet; None is all of them."""
    thread_id: str | None = None
    resume: Mapping[str, Any] | None = None
    """Answers by interrupt id, in place of messages."""
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further channels of the graph's state that the client has a say in."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Added to the run's."""
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The client's own, in the form that ``bind_tools`` takes."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How a model is to answer, by the names of LangChain's chat models."""
    context: Any = None
    """What the client's application tells: ``[{"description", "value"}]``."""
    props: Any = None
    """What else the client sent along."""
    capture: frozenset[str] = frozenset()
    """What the run's events have to have besides the usual, for the encoder."""
    reply: Callable[[Iterable[Event]], Reply] | None = None
    """The whole answer, where no stream is asked for."""


class Names(NamedTuple):
    """What is served is called."""

    own: str
    others: tuple[str, ...] = ("agent",)

    def __contains__(self, name: object) -> bool:
        return name == self.own or name in self.others


class FrontEnd(Protocol):
    """A protocol of front ends."""

    resumes: bool
    """Whether clients can come back to a run that goes on; if not, it ends when they leave."""

    def read(self, body: bytes, names: Names, /) -> Asked:
        """Read a request. Raises ``Refusal``, and ``StreamUsageError`` with ``wire``."""
        ...

    def refusal(self, refusal: Refusal, /) -> Response:
        """Return how a request that is not done is answered."""
        ...
