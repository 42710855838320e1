"""The AI SDK itself, in Node.js: what a chat of it makes of what a server sends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from scripts.install_ai_sdk import COMMAND, FOLDER, installed
from tests.client.node import find_node, websocket_options
from tests.conftest import require

if TYPE_CHECKING:
    from types import TracebackType

VERSIONS = (5, 6, 7)
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


class Client:
    """One version of the AI SDK in one process, for any number of chats."""

    def __init__(self, version: int) -> None:
        require(installed() or None, "the AI SDK (npm)", COMMAND)
        self.version = version
        package = FOLDER / "node_modules" / f"ai{version}"
        exports = json.loads((package / "package.json").read_text())["exports"]["."]
        entry = package / exports["import"]
        node = find_node()
        self._process = subprocess.Popen(
            [node, *websocket_options(node), str(SCRIPT), entry.resolve().as_uri()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.close()
        stdout.close()
        assert self._process.wait(10) == 0

    def chat(self, url: str, *steps: dict[str, Any], **given: Any) -> Chat:
        """Play a chat; by default, the user says something once."""
        asked = {"url": url, "id": "chat-1", "steps": steps or [{"send": {"text": "hi"}}], **given}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        told: dict[str, Any] = json.loads(stdout.readline())
        assert not told.pop("warned"), told
        assert "failed" not in told, told["failed"]
        return Chat(**{"error": None, **told})
