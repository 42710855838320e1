"""``python -m langchain_streamkit.serve.demo`` as people start it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from langchain_streamkit.serve import demo as command
from langchain_streamkit.testing import scripted_provider
from tests.conftest import require
from tests.demo.demos import WAIT_S

ROOT = Path(__file__).parents[2]
START_S = 40
"""Importing LangChain takes seconds on a slow machine."""


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and what it has printed up to its readiness."""
    process = subprocess.Popen(
        [sys.executable, "-m", "langchain_streamkit.serve.demo", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )
    assert process.stdout is not None
    try:
        printed = ""
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        yield process, printed
    finally:
        process.kill()
        process.communicate()


def url_in(printed: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+$", printed, re.MULTILINE)
    assert found, printed
    return found[0]


def ask(url: str, text: str) -> str:
    with httpx.Client(timeout=START_S) as client:
        return client.post(f"{url}/runs", json={"input": text}).text


def test_without_a_key_the_scripted_provider_answers_and_ctrl_c_ends_cleanly() -> None:
    with started() as (process, printed):
        assert "scripted" in printed
        assert "OPENAI_API_KEY" in printed
        stream = ask(url_in(printed), "Count to 3")
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=WAIT_S)
    assert '"type":"run.finished"' in stream
    assert stream.endswith("event: end\ndata: {}\n\n")
    assert "1, 2, 3." in shown
    assert errors == ""
    assert process.returncode == 0


def test_ctrl_c_in_the_middle_of_a_run_ends_it_and_the_demo() -> None:
    with started() as (process, printed), httpx.Client(timeout=START_S) as client:
        body = {"input": "Count to 300"}
        with client.stream("POST", f"{url_in(printed)}/runs", json=body) as response:
            stream = ""
            for text in response.iter_text():
                if "text.delta" in text and "text.delta" not in stream:
                    process.send_signal(signal.SIGINT)
                stream += text
        _, errors = process.communicate(timeout=WAIT_S)
    assert '"reason":"shutdown"' in stream
    assert errors == ""
    assert process.returncode == 0


def test_with_a_key_the_named_provider_and_model_are_used() -> None:
    with (
        scripted_provider(["Hello from afar"]) as real,
        started(
            OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=real.base_url, OPENAI_MODEL="big-one"
        ) as (_, printed),
    ):
        stream = ask(url_in(printed), "hi")
        (request,) = real.requests
    assert f"big-one, at {real.base_url}" in printed
    assert " afar" in stream
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body["model"] == "big-one"


def test_failed_run_is_one_line_in_the_terminal_and_no_traceback() -> None:
    with started() as (process, printed):
        ask(url_in(printed), "Fail in the middle")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT_S)
    assert "the script fails here" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("by_make", [True, False])
def test_taken_port_is_said_with_the_command_that_works(
    capsys: pytest.CaptureFixture[str], *, by_make: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command.main(["--port", str(port), *(["--by-make"] if by_make else [])]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"Port {port} of 127.0.0.1 is in use. Choose another:"
    called = "make demo PORT=" if by_make else f"{sys.executable} -m {command.__name__} --port "
    assert second.strip().startswith(called)
    with socket.create_server(("127.0.0.1", int(second.strip().removeprefix(called)))):
        pass  # it is free


def test_another_host_stays_in_the_command_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert command.main(["--host", "127.0.0.2", "--port", port]) == 1
        assert " --host 127.0.0.2 --port " in capsys.readouterr().err
        assert command.main(["--by-make", "--host", "127.0.0.2", "--port", port]) == 1
        assert capsys.readouterr().err.endswith(" HOST=127.0.0.2\n")


def test_address_of_another_machine_is_not_blamed_on_the_port(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--host", "192.0.2.1"]) == 1  # RFC 5737: nobody's
    assert capsys.readouterr().err.startswith("192.0.2.1 is no address this machine can listen on")


@pytest.mark.parametrize("port", ["70000", "-1", "eight"])
def test_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit):
        command.main(["--port", port])
    assert "--port" in capsys.readouterr().err


def test_make_hands_port_and_host_to_the_demo() -> None:
    make = require(shutil.which("make"), "make", "sudo apt-get install make")
    asked = [make, "--dry-run", "demo", "PORT=8001", "HOST=0.0.0.0"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "langchain_streamkit.serve.demo --by-make --host 0.0.0.0 --port 8001\n" in shown


def test_greeting_shows_a_curl_line_that_works_when_pasted() -> None:
    require(shutil.which("curl"), "curl", "sudo apt-get install curl")
    with started() as (_, printed):
        (line,) = re.findall(r"curl -N .+$", printed, re.MULTILINE)
        stream = subprocess.run(
            ["sh", "-c", line],
            capture_output=True,
            text=True,
            timeout=START_S,
            env={**os.environ, "no_proxy": "127.0.0.1"},
            check=True,
        ).stdout
    assert '"type":"run.finished"' in stream
    assert stream.endswith("event: end\ndata: {}\n\n")


def test_missing_packages_are_named_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main([]) == 1
    said = capsys.readouterr().err
    assert "langchain_openai and starlette and uvicorn" in said
    assert f'{sys.executable} -m pip install "langchain-streamkit[openai,serve]"' in said
