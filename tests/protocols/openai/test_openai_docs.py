"""docs/openai.md is true: its server runs as it stands, and answers OpenAI's SDK."""

from __future__ import annotations

import re
from typing import Any

from openai import OpenAI

from tests.pages import fenced, page, run_code
from tests.scenarios.told import graph, node_of, says
from tests.serve.servers import serving
from tests.serving.apps import served
from tests.test_project import ROOT

TEXT = page("openai.md")
EXAMPLES = fenced(TEXT)


def test_server_of_the_docs_answers_the_sdk() -> None:
    code = EXAMPLES[1]
    names: dict[str, Any] = {"graph": graph(say=node_of(says("Hello you", cycle=True))).compile()}
    run_code(code, "openai.md", names)
    asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with (
        serving(names["app"]) as host,
        OpenAI(base_url=f"http://{host}/v1", api_key="k", max_retries=0) as client,
    ):
        whole = client.chat.completions.create(**asked)
        with client.chat.completions.stream(**asked) as stream:
            streamed = stream.get_final_completion()
    assert whole.choices[0].message.content == "Hello you"
    assert streamed.choices[0].message.content == "Hello you"


def test_client_of_the_docs_is_answered_by_the_router() -> None:
    runnable = graph(say=node_of(says("Hello you"))).compile()
    with served(runnable) as server:
        code = EXAMPLES[0].replace("http://127.0.0.1:8000/", str(server.base_url).rstrip("/") + "/")
        names = run_code(code, "openai.md")
        said = [chunk.choices[0].delta.content or "" for chunk in names["stream"]]
    assert "".join(said) == "Hello you"


def test_every_module_and_name_of_the_docs_exists() -> None:
    for module in re.findall(r"`(wire/[\w/]+\.py)`", TEXT):
        assert (ROOT / "langchain_streamkit" / module).exists()
