"""docs/langgraph.md is true: its client is answered, its paths and modes are those of the code."""

from __future__ import annotations

import re
from typing import Any

from langchain_streamkit import RunManager
from langchain_streamkit.serve.langgraph.routes import langgraph_routes
from langchain_streamkit.serve.service import Hooks, RunService
from langchain_streamkit.serve.settings import ServeSettings
from langchain_streamkit.wire.langgraph.classic import MODES
from tests.pages import fenced, page, run_code
from tests.protocols.langgraph.apps import served
from tests.protocols.langgraph.graphs import chat

PAGE = page("langgraph.md")


def test_client_of_the_docs_is_answered() -> None:
    (code,) = fenced(PAGE)
    with served(chat("Hello you")) as server:
        code = code.replace("http://127.0.0.1:8000", server.url)
        names = run_code(code, "langgraph.md")
        assert names["answer"]["messages"][-1]["content"] == "Hello you"
        names["graph"].sync_client.http.client.close()


def test_modes_are_those_of_the_code() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("`stream_mode`"))
    assert set(re.findall(r"`([a-z-]+)`", line.partition(":")[2])) - {"next", "tasks"} == MODES


def test_every_path_is_in_the_docs() -> None:
    hooks = Hooks()
    service = RunService(
        chat("hi"), RunManager(), hooks, view="chat", metadata=(), allow_origins=()
    )
    router: Any = langgraph_routes(service, ServeSettings(1, 1, 1))
    served_paths = {
        f"{method} {re.sub('{.*?}', '{id}', route.path)}"
        for route in router.routes
        for method in route.methods
    }
    told = set(re.findall(r"`((?:GET|POST|DELETE) /[^`]+)`", PAGE.partition("`stream_mode`")[0]))
    assert told == served_paths
