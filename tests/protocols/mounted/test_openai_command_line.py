"""OpenAI's command line at the router."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from langchain.agents import create_agent

from langchain_streamkit.testing import ToolCall
from scripts.openai_cli import COMMAND, FOLDER, installed
from tests.conftest import require
from tests.scenarios.told import add, calls, half, says
from tests.serve.servers import WAIT_S
from tests.serving.apps import served


def run(runnable: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What ``openai api`` prints, in a process of its own."""
    require(installed() or None, "OpenAI's command line", COMMAND)
    with served(runnable) as client:
        there = {
            "OPENAI_BASE_URL": f"{str(client.base_url).rstrip('/')}/v1",
            "OPENAI_API_KEY": "k",
            "PYTHONPATH": str(FOLDER),
            "PYTHONWARNINGS": "ignore",  # of what is newer than it
        }
        return subprocess.run(
            [sys.executable, str(FOLDER / "bin" / "openai"), "api", *arguments],
            env={**os.environ, **there},
            capture_output=True,
            text=True,
            timeout=2 * WAIT_S,
            check=False,
        )


def ask(runnable: Any, *options: str, model: str = "agent") -> subprocess.CompletedProcess[str]:
    chat = ("chat.completions.create", "-m", model, "-g", "user", "What is 1 and 2?")
    return run(runnable, *chat, *options)


@pytest.mark.parametrize("options", [(), ("--stream",)], ids=["whole", "streamed"])
def test_command_line_prints_what_an_agent_says(options: tuple[str, ...]) -> None:
    model = says(calls(ToolCall("add", {"a": 1, "b": 2})), "It is 3")
    told = ask(create_agent(model, [add], name="sums"), *options)
    assert (told.returncode, told.stdout.split(), told.stderr) == (0, ["It", "is", "3"], "")


def test_command_line_fails_when_the_run_fails_in_mid_answer() -> None:
    told = ask(says(half()), "--stream")
    assert told.returncode == 1
    assert told.stdout.startswith("Hal")
    assert "model" in told.stderr
    assert "Traceback" not in told.stderr


def test_command_line_lists_the_graph_and_names_it_when_another_is_asked_for() -> None:
    agent = create_agent(says("Hi"), [], name="sums")
    assert '"id": "sums"' in run(agent, "models.list").stdout
    refused = ask(agent, model="gpt-x")
    assert refused.returncode == 1
    assert "there is no model 'gpt-x' here; ask for one of: sums, agent" in refused.stderr
