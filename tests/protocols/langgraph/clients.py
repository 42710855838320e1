"""LangGraph's JavaScript client, and its React hook without a page, in Node.js."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from scripts.npm import LANGGRAPH_JS
from tests.protocols.node import NodeProcess

SCRIPT = Path(__file__).parent / "play.mjs"


class Chat(NamedTuple):
    """What ``useStream`` shows in the end."""

    messages: list[dict[str, Any]]
    values: Any
    interrupts: list[dict[str, Any]]
    error: str | None
    threadId: str | None  # noqa: N815 - as it comes
    customs: list[Any]
    finishes: int
    requests: list[str]
    """Methods and paths, and the ``Last-Event-ID``."""
    texts: list[str]
    """The last message's, whenever it was shown another."""


class Node(NodeProcess):
    """One process, for any number of chats and calls."""

    def __init__(self) -> None:
        super().__init__(LANGGRAPH_JS, SCRIPT, "../package.json", NODE_ENV="production")

    def _ask(self, **asked: Any) -> Any:
        told = self.ask(**asked)
        found = told["found"]
        error = found.get("error") if isinstance(found, dict) else None
        # The hook itself writes the error of a run to the console.
        assert all(error and text.endswith(error) for text in told["warned"]), told
        return found

    def chat(self, url: str, *steps: dict[str, Any], **options: Any) -> Chat:
        """Play a chat of ``useStream``; by default, the user says something once."""
        hi = {"messages": [{"type": "human", "content": "hi"}]}
        found = self._ask(url=url, steps=steps or [{"submit": hi}], options=options)
        return Chat(**{"error": None, "threadId": None, **found})

    def call(self, url: str, script: str, **given: Any) -> Any:
        """Run the body of an async function with a ``client``, ``all`` and ``given``."""
        return self._ask(url=url, script=script, given=given)
