"""``streamkit serve``: real processes, asked with curl and httpx."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import websockets.sync.client as sockets
from langgraph_sdk import get_sync_client
from openai import OpenAI
from websockets.exceptions import InvalidStatus

from langchain_streamkit import __version__, connect
from langchain_streamkit.cli import main
from langchain_streamkit.serve.protocols.names import PROTOCOLS
from tests.conftest import require
from tests.serving.apps import client_of, error_of, started
from tests.serving.commands import AGENT, START_S, arguments_of, environment, serving
from tests.test_project import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENDING = (signal.SIGTERM, signal.SIGINT)
SAID = "It is sunny in Paris."


@pytest.mark.parametrize("target", ["agent:graph", "agent.py:graph", "./agent.py:model"])
def test_curl_line_that_is_printed_works_when_pasted(tmp_path: Path, target: str) -> None:
    require(shutil.which("curl"), "curl", "sudo apt-get install curl")
    with serving(tmp_path, target) as command:
        asked = subprocess.run(
            ["sh", "-c", command.curl], capture_output=True, text=True, check=True, timeout=START_S
        )
        assert SAID in asked.stdout
        assert asked.stdout.endswith("event: end\ndata: {}\n\n")
        with client_of(command.url) as client:
            assert client.get("/docs").status_code == 200
            assert client.get("/metrics").status_code == 404
        assert f"{command.url}/docs" in command.printed
        assert "caution" not in command.printed


def test_curl_line_says_who_it_is_where_the_command_asks(tmp_path: Path) -> None:
    require(shutil.which("curl"), "curl", "sudo apt-get install curl")
    with serving(tmp_path, "agent:graph", "--auth", "agent:bearer") as command:

        def said(token: str) -> str:
            return subprocess.run(
                ["sh", "-c", command.curl],
                capture_output=True,
                text=True,
                check=True,
                timeout=START_S,
                env={**environment(), "TOKEN": token},
            ).stdout

        assert SAID in said("secret")
        assert "unauthenticated" in said("guessed")
        assert "agent:bearer reads every request" in command.printed


def test_every_protocol_is_told_with_the_address_that_its_clients_are_given(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "agent:graph") as command, client_of(command.url) as client:
        where = dict(re.findall(r"^    (\S+) +(http://\S+)$", command.printed, re.MULTILINE))
        assert list(where) == list(PROTOCOLS)
        assert SAID in client.post(where["native"], json={"input": "hi", "thread_id": "1"}).text
        message = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
        chat = {"id": "2", "messages": [message], "trigger": "submit-message"}
        assert SAID in client.post(where["ai-sdk"], json=chat).text
        ag_ui = {
            "threadId": "3",
            "runId": "r",
            "tools": [],
            "context": [],
            "state": {},
            "forwardedProps": {},
            "messages": [{"id": "1", "role": "user", "content": "hi"}],
        }
        assert SAID in client.post(where["ag-ui"], json=ag_ui).text
        openai: dict[str, Any] = {"api_key": "-", "http_client": client}
        completions = OpenAI(base_url=where["openai-chat"], **openai).chat.completions
        hi: Any = [{"role": "user", "content": "hi"}]
        assert completions.create(model="agent", messages=hi).choices[0].message.content == SAID
        responses = OpenAI(base_url=where["openai-responses"], **openai).responses
        assert responses.create(model="agent", input="hi").output_text == SAID
        with get_sync_client(url=where["langgraph"], api_key=None) as langgraph:
            ended: Any = langgraph.runs.wait(None, "agent", input={"messages": hi})
        assert ended["messages"][-1]["content"] == SAID
    options = ("--protocol", "ag-ui", "--protocol", "openai-chat")
    with serving(tmp_path, "agent:graph", *options) as command:
        assert re.findall(r"^    (\S+) +http", command.printed, re.MULTILINE) == [
            "ag-ui",
            "openai-chat",
        ]
        assert "curl" not in command.printed


@pytest.mark.parametrize("target", ["agent:once", "agent:later", "agent:lent"])
async def test_function_without_arguments_is_called_once_and_what_it_lent_given_back(
    tmp_path: Path, target: str
) -> None:
    with serving(tmp_path, target) as command:
        for _ in range(2):
            run = connect(command.url, input="hi")
            await run.result()
            assert run.snapshot.text == "made 1"
        command.process.terminate()
        printed, errors = command.process.communicate(timeout=START_S)
    assert (printed, errors) == ("given back\n" if target == "agent:lent" else "", "")


def test_function_of_the_request_is_called_for_each_and_users_are_told_apart(
    tmp_path: Path,
) -> None:
    options = ("--auth", "agent:who", "--host", "0.0.0.0", "--metrics", "--view", "all")
    with serving(tmp_path, "agent:of_request", *options) as command:
        assert "caution" not in command.printed
        with client_of(command.url) as client:
            assert client.post("/runs", json={"input": "hi"}).status_code == 401
            with started(client, headers={"x-user": "ada"}) as stream:
                stream.rest()
            assert stream.text == "Hello ada"
            assert stream.events[0].user == "ada"  # type: ignore[union-attr]
            found = client.get(f"/runs/{stream.run_id}", headers={"x-user": "bob"})
            assert found.status_code == 404
            assert "streamkit_runs_started_total 1.0" in client.get("/metrics").text


def test_whoever_listens_to_all_without_auth_is_warned(tmp_path: Path) -> None:
    with serving(tmp_path, "agent:model", "--host", "0.0.0.0") as command:
        assert "caution" in command.printed
        assert "--auth module:function" in command.printed
        assert command.url.startswith("http://127.0.0.1:")


def test_pages_and_names_of_others_are_let_in_as_the_options_say(tmp_path: Path) -> None:
    allowed = ("--allow-origin", "https://app.example", "--allow-host", "api.example")
    with serving(tmp_path, "agent:model", *allowed) as command, client_of(command.url) as client:
        run: dict[str, Any] = {"json": {"input": "hi"}}
        there = client.post("/runs", headers={"Origin": "https://app.example"}, **run)
        assert there.status_code == 200
        assert there.headers["access-control-allow-origin"] == "https://app.example"
        assert "X-Run-Id" in there.headers["access-control-expose-headers"]
        evil = client.post("/runs", headers={"Origin": "https://evil.example"}, **run)
        assert evil.status_code == 403
        rebound = client.post("/runs", headers={"Host": "evil.example"}, **run)
        assert rebound.status_code == 400
        assert error_of(rebound)["code"] == "foreign_host"
        assert client.get("/health", headers={"Host": "api.example"}).status_code == 200


def test_name_that_is_not_allowed_is_told_the_option_that_allows_it(tmp_path: Path) -> None:
    with serving(tmp_path, "agent:model") as command, client_of(command.url) as client:

        def refused(host: str) -> str:
            response = client.get("/health", headers={"Host": host})
            assert response.status_code == 400
            assert error_of(response)["code"] == "foreign_host"
            message: str = error_of(response)["message"]
            return message

        option = re.findall(r"--allow-host \S+$", refused("Api.example:8000"))
        assert option == ["--allow-host api.example"]
        assert "--allow-host" not in refused("<b>evil</b>")
        for own in ("localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]", "LocalHost"):
            assert client.get("/health", headers={"Host": own}).status_code == 200, own
        link = socket.create_connection(("127.0.0.1", client.base_url.port or 0))
        with (
            pytest.raises(InvalidStatus) as closed,
            sockets.connect("ws://evil.example/ws", sock=link),
        ):
            pass
        told = closed.value.response
        assert told.status_code == 400
        assert json.loads(told.body)["error"]["code"] == "foreign_host"
    with (
        serving(tmp_path, "agent:model", *shlex.split(option[0])) as command,
        client_of(command.url) as client,
    ):
        assert client.get("/health", headers={"Host": "Api.example:8000"}).status_code == 200


@pytest.mark.parametrize("number", ENDING)
def test_signal_ends_runs_within_the_grace_and_the_command_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (
        serving(tmp_path, "agent:slow", "--grace", "0.5") as command,
        client_of(command.url) as client,
        started(client) as stream,
    ):
        stream.until("text.delta")
        command.process.send_signal(number)
        begun = time.monotonic()
        stream.rest()
        errors = command.process.communicate(timeout=START_S)[1]
        took = time.monotonic() - begun
    assert stream.events[-1].type == "run.cancelled"
    assert stream.events[-1].reason == "shutdown"
    assert stream.frames[-1].name == "end"
    assert (command.process.returncode, errors) == (0, "")
    assert took < 0.5 + 2 + 3  # the grace, the farewell, and a busy machine


async def test_run_in_a_file_is_read_by_the_next_process(tmp_path: Path) -> None:
    log = ("--log", "sqlite:///runs.db")
    with serving(tmp_path, "agent:model", *log) as command:
        run = connect(command.url, input="hi")
        await run.result()
    with serving(tmp_path, "agent:model", *log) as command:
        again = connect(command.url, run.run_id)
        await again.result()
        assert again.snapshot == run.snapshot


# ---- what it cannot serve --------------------------------------------------------------------


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """What ``streamkit serve`` says when it cannot, called beside ``agent.py``."""
    (tmp_path / "agent.py").write_text(AGENT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before, handlers = set(sys.modules), {one: signal.getsignal(one) for one in ENDING}

    def run(*given: str) -> str:
        assert main(["serve", *given]) == 1
        out, errors = capsys.readouterr()
        assert out == ""
        return errors

    yield run
    for name in {"agent", "broken", "lacking"} & (set(sys.modules) - before):
        del sys.modules[name]
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["agent"], "write module:name or file.py:name"),
        (["nope:graph"], "there is no module 'nope' in"),
        (["sub/nope.py:graph"], "there is no file sub/nope.py"),
        (["agent:grap"], "did you mean agent:graph?"),
        (["agent:number"], "not a LangChain Runnable"),
        (["agent:builder"], "graph.compile()"),
        (["agent:two"], "takes request, more; write a function of the request alone"),
        (["agent:raises"], "raised ValueError: no key"),
        (["agent:nothing"], "returned a int; return a Runnable"),
        (["broken.py:graph"], "broken.py cannot be imported: NameError"),
        (["lacking:graph"], "lacking needs not_there, which is not installed"),
        (["agent:model", "--log", "mongo://x"], "is no URL of a log"),
        (["agent:model", "--log", "sqlite:////no/where/runs.db"], "cannot be used"),
        (["agent:model", "--log", "redis://127.0.0.1:9/0"], "cannot be used"),
        (["agent:model", "--auth", "agent:number"], "--auth takes a function"),
        (["agent:model", "--host", "192.0.2.1"], "no address this machine can listen on"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_told_in_one_line(
    tmp_path: Path, refused: Callable[..., str], given: list[str], said: str
) -> None:
    (tmp_path / "broken.py").write_text("graph = name\n")
    (tmp_path / "lacking.py").write_text("import not_there\n")
    errors = refused(*given, "--port", "0")  # 8000 may be in use
    assert said in errors
    assert errors.count("\n") == 1, errors
    assert errors.startswith("streamkit: ")


def test_port_in_use_is_told_with_the_command_that_works(refused: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        errors = refused("agent:model", "--port", port, "--view", "all")
    first, second = errors.splitlines()
    assert first == f"streamkit: Port {port} of 127.0.0.1 is in use. Choose another:"
    assert second.strip().startswith("streamkit serve agent:model --view all --port ")


def test_help_has_an_example_and_the_version_is_told() -> None:
    def said(*given: str) -> str:
        return subprocess.run(
            arguments_of(*given), capture_output=True, text=True, check=True, env=environment()
        ).stdout

    assert said("--version") == f"streamkit {__version__}\n"
    assert "streamkit serve agent.py:graph" in said("--help")
    assert "--log URL" in said("serve", "--help")


def test_installed_command_is_this_one() -> None:
    assert PROJECT["scripts"] == {"streamkit": f"{main.__module__}:{main.__name__}"}
