"""LangGraph's JavaScript client, and its React hook without a page, in Node.js."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from scripts.install_langgraph_js import COMMAND, FOLDER, installed
from tests.client.node import find_node
from tests.conftest import require

if TYPE_CHECKING:
    from types import TracebackType

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


class Node:
    """One process, for any number of chats and calls."""

    def __init__(self) -> None:
        require(installed() or None, "LangGraph's JavaScript client (npm)", COMMAND)
        self._process = subprocess.Popen(
            [find_node(), str(SCRIPT), str(FOLDER / "package.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "NODE_ENV": "production"},
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

    def _ask(self, **asked: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        told: dict[str, Any] = json.loads(stdout.readline())
        assert "failed" not in told, told["failed"]
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
