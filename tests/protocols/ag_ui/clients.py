"""AG-UI's own client, in Node.js: what its HttpAgent makes of what a server sends."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import TypeAdapter

from scripts.install_ag_ui import COMMAND, PACKAGE, installed
from tests.client.node import find_node
from tests.conftest import require

if TYPE_CHECKING:
    from types import TracebackType

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


class Client:
    """One process, for any number of conversations."""

    def __init__(self) -> None:
        require(installed() or None, "AG-UI's client (npm)", COMMAND)
        entry = PACKAGE / "dist" / "index.mjs"
        self._process = subprocess.Popen(
            [find_node(), str(SCRIPT), entry.resolve().as_uri()],
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
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps({"threadId": "thread-1", **given}) + "\n")
        stdin.flush()
        told: dict[str, Any] = json.loads(stdout.readline())
        assert "broken" not in told, told["broken"]
        assert not told["warned"], told["warned"]
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
