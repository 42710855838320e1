"""docs/front-ends.md says what is there, and its examples run."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import Route, WebSocketRoute

from langchain_streamkit import streamkit_router
from langchain_streamkit.serve.protocols.names import PROTOCOLS
from tests.pages import fenced, page, run_code
from tests.scenarios.told import says
from tests.serve.servers import serving
from tests.serving.apps import client_of
from tests.test_project import ROOT

PAGE = page("front-ends.md")
EXAMPLES = fenced(PAGE)
USER = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
CHAT = {"id": "c1", "messages": [USER]}


def paths_of(protocols: Any) -> set[str]:
    found: set[str] = set()
    for route in streamkit_router(says("x"), protocols=protocols).routes:
        if isinstance(route, Route) and route.methods:
            path = route.path.replace(":path}", "}")
            found |= {f"{method} {path}" for method in route.methods - {"HEAD"}}
        elif isinstance(route, WebSocketRoute):
            found.add(f"WS {route.path}")
    return found


def test_table_has_each_protocol_and_its_paths() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\|(.*)\|$", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == set(PROTOCOLS)
    state = {"GET /health", "GET /ready"}
    for name, paths in rows:
        if name not in {"native", "langgraph"}:
            there = paths_of([name]) - state - {"GET /v1/models/{model}"}
            assert set(re.findall(r"`([A-Z]+ [^`]+)`", paths)) == there


def test_examples_answer() -> None:
    router = run_code(EXAMPLES[0], "front-ends.md")
    with serving(router["app"], lifespan="on") as where, client_of(f"http://{where}") as client:
        asked = {"model": "agent", "messages": [{"role": "user", "content": "hi"}]}
        told = client.post("/v1/chat/completions", json=asked).json()
        assert told["choices"][0]["message"]["content"] == "It is sunny."
    own = run_code(EXAMPLES[1], "front-ends.md")
    with serving(own["app"]) as where, client_of(f"http://{where}") as client:
        assert '"finish"' in client.post("/chat", json=CHAT).text
        assert "sunny" in client.get("/joke").text


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r'\]\((\.\./tests/[^ )]+) "(\w+)"\)', PAGE)
    assert len(named) > 50
    for path, name in named:
        code = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert re.search(rf"def {name}\(", code), (path, name)
