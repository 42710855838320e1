"""The client is what its types say, and a TypeScript program can be written against them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.npm import TYPESCRIPT
from scripts.vendor_eventsource_parser import NAME, TARGET
from tests.client.node import STATIC, find_node
from tests.conftest import require

OPTIONS = (
    "--noEmit --strict --allowJs --checkJs --target es2023 --module esnext "
    "--moduleResolution bundler --allowImportingTsExtensions --lib es2023,dom,dom.iterable "
    "--types"
)

USE = """
import { RunSnapshot, StreamkitClient, StreamkitError } from "%s";

const client = new StreamkitClient("/", { headers: { a: "b" }, retries: 3, backoff: { max: 1 } });
const run = client.run({ input: { text: "hi" }, threadId: "t" });
let text = "";
for await (const event of run) {
  if (event.type === "text.delta") text += event.text;
  if (event.type === "run.failed") text += event.error.code;
  %s
}
const folded: RunSnapshot = await run.result().catch((error) => {
  if (error instanceof StreamkitError) text += error.code;
  return new RunSnapshot();
});
text += folded.messages[0]?.tool_calls[0]?.name;
const socket = client.socket({ protocols: async () => ["ticket"] });
socket.subscribe("r1", { since: run.lastEventId }).cancel();
export {};
"""


@pytest.fixture(scope="module")
def tsc() -> list[str]:
    compiler = TYPESCRIPT.modules / "typescript" / "bin" / "tsc"
    found = str(compiler) if compiler.exists() else shutil.which("tsc")
    tsc = Path(require(found, TYPESCRIPT.title, TYPESCRIPT.command))
    return [find_node(), str(tsc.resolve())]


def check(tsc: list[str], *files: Path) -> list[str]:
    """What the compiler has against these files."""
    done = subprocess.run(
        [*tsc, *OPTIONS.split(), "", *map(str, files)], check=False, capture_output=True, text=True
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_the_client_keeps_to_its_types(tsc: list[str]) -> None:
    assert check(tsc, STATIC / "streamkit.js", STATIC / "streamkit.d.ts") == []


def test_a_program_is_checked_against_the_types(tsc: list[str], tmp_path: Path) -> None:
    program = tmp_path / "use.mts"
    program.write_text(USE % (STATIC / "streamkit.js", ""))
    assert check(tsc, program) == []
    program.write_text(USE % (STATIC / "streamkit.js", "event.text;"))
    (told,) = [line for line in check(tsc, program) if "error" in line]
    assert "Property 'text' does not exist" in told


def test_the_vendored_parser_says_what_it_is_and_under_which_licence() -> None:
    head = TARGET.read_text(encoding="utf-8").split("*/")[0]
    assert f"{NAME} 4." in head
    assert "sha512-" in head
    assert "MIT License" in head
    assert "Permission is hereby granted" in head
