"""docs/websocket.md is true: its frames are those of the decoder, its numbers those of the code."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_args

import pytest

from langchain_streamkit.serve import refusals, run_socket, socket_session, subscription
from langchain_streamkit.serve.router import streamkit_router
from langchain_streamkit.wire.run_frames import BYE, READER, Asked, begun, end
from langchain_streamkit.wire.socket_frames import PING, BadFrame, FrameFault, error_frame
from tests.manager.managers import SAID, speaker
from tests.pages import fenced, page
from tests.serving.apps import served
from tests.test_project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = page("websocket.md")
SENT, GOT = (block.splitlines() for block in fenced(PAGE, "json"))


def rows(column: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so, without the head."""
    table = PAGE.split(f"\n| {column} |")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]


def quoted(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"`(\w+)`", text)}


@pytest.mark.parametrize("line", SENT)
def test_frame_that_the_page_sends_is_read(line: str) -> None:
    assert not isinstance(READER.read(line, 1 << 20), BadFrame)


def test_page_sends_every_frame_with_every_key_there_is() -> None:
    read: Any = [READER.read(line, 1 << 20) for line in SENT]
    assert {type(frame) for frame in read} == set(get_args(Asked))
    for kind in get_args(Asked):
        keys = {
            key
            for line, frame in zip(SENT, read, strict=True)
            if type(frame) is kind
            for key in json.loads(line)
        }
        assert keys == {"op", *kind.__struct_fields__}, kind


def test_frames_that_the_page_gets_are_those_that_are_sent() -> None:
    got = [json.loads(line) for line in GOT]
    run_id = got[0]["run_id"]
    assert got[0] == json.loads(begun("1", run_id))
    assert set(got[1]) == set(got[0])
    assert got[2] == json.loads(end("1"))
    assert set(got[3]) == set(json.loads(error_frame("1", {})))
    assert set(got[4]) == set(json.loads(error_frame(None, {})))
    assert got[5:] == [json.loads(PING), json.loads(BYE)]


def test_page_names_every_code_that_can_be_sent() -> None:
    sources = "".join(map(inspect.getsource, (refusals, run_socket, subscription)))
    raised = set(re.findall(r"Refusal\(\s*[\w.]+, \"(\w+)\"", sources))
    chosen = {"shutting_down", "unavailable"}  # code = ... if ... else ...
    named = quoted(row[0].replace("`error.code`", "") for row in rows("`error.code`"))
    fields = {"oldest", "run_id", "limit", "error_id"}
    assert named - fields == raised | chosen | set(get_args(FrameFault))


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    said = {row[0]: row[1] for row in rows("limit")}
    options = inspect.signature(streamkit_router).parameters
    assert options["max_body_bytes"].default == 1 << 20
    assert "1 MiB" in said["a frame from a client"]
    assert said["ids open on one socket"] == str(socket_session.MAX_SUBSCRIPTIONS)
    assert subscription.MAX_SENT_BYTES == 64 << 10
    assert "64 KiB" in said["a frame to a client"]
    assert f"{options['send_timeout_s'].default} s" in said["what a client may leave unread"]
    assert f"{options['heartbeat_s'].default} s" in said["silence"]


def test_python_client_of_the_page_prints_the_whole_text() -> None:
    (code,) = fenced(PAGE)
    with served(speaker()) as client:
        code = code.replace("127.0.0.1:8000", client.base_url.netloc.decode())
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
        )
    assert done.stdout == SAID
