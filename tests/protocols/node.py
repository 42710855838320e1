"""Processes of Node.js that run the clients of others: a line of JSON to each, a line from it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.client.node import find_node, websocket_options
from tests.conftest import require

if TYPE_CHECKING:
    from scripts.npm import NpmSet


def require_npm(packages: NpmSet) -> None:
    """Skip or fail the test whose packages are not installed."""
    require(packages.installed() or None, f"{packages.title} (npm)", packages.command)


class NodeProcess:
    """A script on ``lines.mjs`` that uses packages of npm, for as long as the context lasts."""

    def __init__(self, packages: NpmSet, script: Path, entry: str, **environment: str) -> None:
        """``entry`` is what the script imports, below the packages' ``node_modules``."""
        require_npm(packages)
        node = find_node()
        url = (packages.modules / entry).resolve().as_uri()
        self._process = subprocess.Popen(
            [node, *websocket_options(node), str(script), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.close()
        stdout.close()
        assert self._process.wait(10) == 0

    def ask(self, **asked: Any) -> dict[str, Any]:
        """What the script answers; ``warned`` is what it wrote to the console meanwhile."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        told: dict[str, Any] = json.loads(stdout.readline())
        assert "failed" not in told, told["failed"]
        return told

    def ask_silent(self, **asked: Any) -> dict[str, Any]:
        """What the script answers; writing anything to the console fails."""
        told = self.ask(**asked)
        assert not told.pop("warned"), told
        return told
