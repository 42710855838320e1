"""The command ``streamkit`` as people start it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.test_project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S = 60
"""Importing LangChain takes seconds on a slow machine."""

AGENT = """
from contextlib import asynccontextmanager

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_streamkit.testing import ScriptedModel, Turn

model = ScriptedModel(["It is sunny in Paris."], cycle=True)
slow = ScriptedModel([Turn(["wait "] * 2000, delay=0.05)], cycle=True)
builder = StateGraph(MessagesState)
builder.add_node("say", lambda state: {"messages": [model.invoke(state["messages"])]})
builder.add_edge(START, "say")
graph = builder.compile(checkpointer=InMemorySaver())
number = 7
made = []


def once():
    made.append(1)
    return ScriptedModel([f"made {len(made)}"], cycle=True)


async def later():
    return once()


@asynccontextmanager
async def lent():
    yield once()
    print("given back", flush=True)


def of_request(request):
    return ScriptedModel([f"Hello {request.headers.get('x-user')}"])


def two(request, more):
    return model


def raises():
    raise ValueError("no key")


def nothing():
    return 7


def who(request):
    return request.headers.get("x-user")


def bearer(request):
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return {"secret": "ada"}.get(token) if kind == "Bearer" else None
"""


class Command(NamedTuple):
    """The running command and what it has printed up to its readiness."""

    process: subprocess.Popen[str]
    printed: str

    @property
    def url(self) -> str:
        found = re.search(r" on (http://\S+:\d+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    @property
    def curl(self) -> str:
        found = re.search(r"curl -N .+$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[0]


def arguments_of(*given: str) -> list[str]:
    return [sys.executable, "-m", "langchain_streamkit", *given]


@contextmanager
def serving(folder: Path, target: str, *options: str) -> Iterator[Command]:
    """``streamkit serve`` of a target in ``folder``'s ``agent.py``, on a free port."""
    (folder / "agent.py").write_text(AGENT)
    process = subprocess.Popen(
        arguments_of("serve", target, "--port", "0", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        printed = ""
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        yield Command(process, printed)
    finally:
        process.kill()
        process.communicate()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
