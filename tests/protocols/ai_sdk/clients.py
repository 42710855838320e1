"""The AI SDK itself, in Node.js: what a chat of it makes of what a server sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from scripts.npm import AI_SDK
from tests.protocols.node import NodeProcess

ENTRIES = {5: "ai5/dist/index.mjs", 6: "ai6/dist/index.mjs", 7: "ai7/dist/index.js"}
VERSIONS = tuple(ENTRIES)
SCRIPT = Path(__file__).parent / "chat.mjs"


class Chat(NamedTuple):
    """What became of a chat."""

    messages: list[dict[str, Any]]
    status: str
    error: str | None
    data: list[dict[str, Any]]
    """What ``onData`` was told."""
    finishes: int
    calls: list[str]
    """The tools that ``onToolCall`` was told of."""
    requests: list[dict[str, Any]]

    @property
    def answer(self) -> dict[str, Any]:
        message = self.messages[-1]
        assert message["role"] == "assistant"
        return message


class Client(NodeProcess):
    """One version of the AI SDK in one process, for any number of chats."""

    def __init__(self, version: int) -> None:
        super().__init__(AI_SDK, SCRIPT, ENTRIES[version])
        self.version = version

    def chat(self, url: str, *steps: dict[str, Any], **given: Any) -> Chat:
        """Play a chat; by default, the user says something once."""
        asked = {"url": url, "id": "chat-1", "steps": steps or [{"send": {"text": "hi"}}], **given}
        told = self.ask_silent(**asked)
        return Chat(**{"error": None, **told})
