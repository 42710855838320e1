"""docs/serving.md and README's "Serve it": what they show, done as it stands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from starlette.routing import Route

from langchain_streamkit.cli import main
from tests.conftest import require
from tests.pages import fenced, page, run_code
from tests.serve.servers import serving as app_serving
from tests.serving.apps import client_of, served, started
from tests.serving.commands import START_S, Command, environment, serving
from tests.test_docs import section

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = page("serving.md")
ADDRESS = "http://127.0.0.1:8000"
APP, CLIENT = fenced(PAGE)
OPTIONS = [*re.findall(r"streamkit serve agent\.py:graph (.*)", section("Serve it"))[0].split()]


def shell(text: str) -> list[str]:
    return [line for block in fenced(text, "sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """``streamkit serve`` as README has it; on a free port, with a model that is quick."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "agent.py:model", *OPTIONS) as command:
        yield command


def test_command_that_both_show_is_the_one_that_is_tested() -> None:
    line = f"streamkit serve agent.py:graph {' '.join(OPTIONS)}"
    assert line in shell(PAGE)
    assert line in shell(section("Serve it"))


@pytest.mark.parametrize("text", [PAGE, section("Serve it")], ids=["docs", "README"])
def test_curl_lines_start_a_run_and_go_on_with_it(command: Command, text: str) -> None:
    require(shutil.which("curl"), "curl", "sudo apt-get install curl")
    lines = [line for line in shell(text) if line.startswith("curl")]
    start, resume, *cancel = (line for line in lines if "t1" not in line)
    whole = run(start, command)
    ids = re.findall(r"^id: (.+)$", whole, re.MULTILINE)
    names = {"RUN_ID": re.findall(r'"run_id":"([^"]+)"', whole)[0], "LAST_ID": ids[2]}
    rest = run(resume, command, **names)
    assert re.findall(r"^id: (.+)$", rest, re.MULTILINE) == ids[3:]
    for line in cancel:
        assert '"status":"finished"' in run(line, command, **names)


def test_curl_lines_answer_a_run_that_waits_for_a_human() -> None:
    def ask(state: MessagesState) -> Any:
        return {"messages": [("ai", interrupt("Send it?"))]}

    builder = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask")
    _, _, _, start, read, answer = (line for line in shell(PAGE) if line.startswith("curl"))
    with served(builder.compile(checkpointer=InMemorySaver())) as client:
        client.post("/runs", json=body_of(start))
        [waiting] = client.get(read.removeprefix(f"curl {ADDRESS}")).json()["interrupts"]
        resumed = body_of(answer.replace("'$INTERRUPT_ID'", waiting["interrupt_id"]))
        assert '"run.finished"' in client.post("/runs", json=resumed).text
        thread = client.get("/threads/t1/messages").json()
    assert [message["content"] for message in thread["messages"]] == ["Mail Bob", "yes"]


def body_of(line: str) -> Any:
    return json.loads(shlex.split(line)[-1])


def run(line: str, command: Command, **names: str) -> str:
    assert ADDRESS in line
    return subprocess.run(
        ["sh", "-c", line.replace(ADDRESS, command.url)],
        capture_output=True,
        text=True,
        check=True,
        timeout=START_S,
        env={**os.environ, **names},
    ).stdout


def test_python_client_prints_the_answer_and_what_follows_a_position(command: Command) -> None:
    assert ADDRESS in CLIENT
    done = subprocess.run(
        [sys.executable, "-c", CLIENT.replace(ADDRESS, command.url)],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout.splitlines() == [
        "It is sunny in Paris. -> finished",
        "['text.finished', 'message.finished', 'run.finished']",
    ]


def test_application_of_ones_own_serves_its_users(tmp_path: Path) -> None:
    names = run_code(APP, "serving.md")
    with (
        contextlib.chdir(tmp_path),
        app_serving(names["app"], lifespan="on") as where,
        client_of(f"http://{where}/api") as client,
    ):
        assert client.post("/runs", json={"input": "hi"}).status_code == 401
        with started(client, headers={"x-user": "ada"}) as stream:
            stream.rest()
        assert stream.text == "It is sunny."


def test_table_of_endpoints_has_each_of_them() -> None:
    from langchain_streamkit.serve.router import streamkit_router
    from tests.manager.managers import speaker

    routes = streamkit_router(speaker(), metrics=True, protocols=["native"]).routes
    paths = {
        f"{next(iter(one.methods - {'HEAD'}))} {one.path}"
        for one in routes
        if isinstance(one, Route) and one.methods
    }
    shown = set(re.findall(r"^\| `((?:GET|POST) [^`,]+)`", PAGE, re.MULTILINE))
    given = {"GET /static/streamkit.js": "GET /static/{path:path}"}
    assert {given.get(one, one) for one in shown} == paths
    assert "| `WS /ws` |" in PAGE


def test_table_of_options_has_each_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    there = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    table = PAGE.split("\n## With the command\n")[1].split("\n## ")[0]
    assert there - {"--help"} == set(re.findall(r"`(--[a-z-]+)", table))
