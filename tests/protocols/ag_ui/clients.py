"""AG-UI's own client, in Node.js: what its HttpAgent makes of what a server sends."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from scripts.npm import AG_UI
from tests.protocols.node import NodeProcess

SCRIPT = Path(__file__).parent / "agent.mjs"
FRAME = b"data: "


class Ran(NamedTuple):
    """What became of one run of an agent."""

    messages: list[dict[str, Any]]
    state: Any
    interrupts: list[dict[str, Any]]
    events: list[dict[str, Any]]
    drafts: list[list[dict[str, Any]]]
    """The messages before each snapshot of them."""
    outcome: str | None = None
    pending: list[str] | None = None
    error: dict[str, Any] | None = None
    failed: str | None = None
    """What ``runAgent`` raised: a rule that was broken."""

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


class Client(NodeProcess):
    """One process, for any number of conversations."""

    def __init__(self) -> None:
        super().__init__(AG_UI, SCRIPT, "@ag-ui/client/dist/index.mjs")

    def runs(self, url: str, *runs: dict[str, Any], **given: Any) -> list[Ran]:
        """Run an agent several times; by default, the user says something once."""
        told = self._play(url=url, runs=[*runs] or [{"say": "hi"}], **given)
        return [Ran(**run) for run in told]

    def run(self, url: str, **given: Any) -> Ran:
        """Run an agent once; whatever breaks a rule fails."""
        (ran,) = self.runs(url, **given)
        assert ran.failed is None
        return ran

    def read(self, body: bytes, size: int = 1 << 16, **given: Any) -> Ran:
        """Give the agent these bytes for an answer, in pieces of a size."""
        encoded = base64.b64encode(body).decode()
        (told,) = self._play(url="http://none", body=encoded, size=size, runs=[{}], **given)
        return Ran(**told)

    def _play(self, **given: Any) -> list[dict[str, Any]]:
        told = self.ask_silent(**{"threadId": "thread-1", **given})
        runs: list[dict[str, Any]] = told["runs"]
        return runs


def validated(frames: list[bytes]) -> list[dict[str, Any]]:
    """The events of frames, each valid and without anything that PyPI's ag-ui-protocol lacks."""
    from ag_ui.core import Event

    adapter: TypeAdapter[Any] = TypeAdapter(Event)
    events: list[dict[str, Any]] = []
    for frame in frames:
        assert frame.startswith(FRAME)
        assert frame.endswith(b"\n\n")
        assert frame.count(b"\n") == 2
        event: dict[str, Any] = json.loads(frame[len(FRAME) :])
        read = adapter.validate_python(event)
        assert json.loads(read.model_dump_json(by_alias=True, exclude_unset=True)) == event
        events.append(event)
    return events
