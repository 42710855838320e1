"""docs/ai-sdk.md is true: its application serves the AI SDK, its parts are those of the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.pages import fenced, page, run_code
from tests.serve.servers import serving
from tests.test_project import PACKAGE

if TYPE_CHECKING:
    from tests.protocols.ai_sdk.clients import Client

PAGE = page("ai-sdk.md")


def test_application_of_the_page_serves_the_ai_sdk(client: Client) -> None:
    (code,) = fenced(PAGE)
    names = run_code(code, "ai-sdk.md")
    with serving(names["app"]) as where:
        chat = client.chat(f"http://{where}/api/chat")
    assert chat.answer["parts"][-1]["text"] == "Hello from LangChain"


def test_data_parts_that_the_page_names_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in (PACKAGE / "wire" / "ai_sdk").glob("*.py"))
    named = set(re.findall(r"`data-([a-z-]+)", PAGE))
    made = set(re.findall(r'"data-([a-z-]+)"|_data\("([a-z-]+)"', code))
    assert named - {"custom"} == {one or other for one, other in made}
