"""``python -m langchain_streamkit.serve.demo`` as people start it."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from langchain_streamkit.serve import demo as command
from langchain_streamkit.testing import scripted_provider
from tests.demo.demos import WAIT_S

if TYPE_CHECKING:
    import pytest

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
    with httpx.Client(trust_env=False, timeout=START_S) as client:
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
    with started() as (process, printed), httpx.Client(trust_env=False, timeout=START_S) as client:
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


def test_taken_port_is_said_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command.main(["--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 cannot be used" in said
    assert f"--port {port + 1}" in said


def test_missing_packages_are_named_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main([]) == 1
    said = capsys.readouterr().err
    assert "langchain_openai and starlette and uvicorn" in said
    assert 'pip install "langchain-streamkit[openai,serve]"' in said
