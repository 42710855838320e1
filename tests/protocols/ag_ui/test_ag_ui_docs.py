"""docs/ag-ui.md is true: its application serves AG-UI's client, its names are those of the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.pages import fenced, page, run_code
from tests.serve.servers import serving
from tests.test_project import PACKAGE

if TYPE_CHECKING:
    from tests.protocols.ag_ui.clients import Client

PAGE = page("ag-ui.md")


def test_application_of_the_page_serves_the_client(client: Client) -> None:
    (code,) = fenced(PAGE)
    names = run_code(code, "ag-ui.md")
    with serving(names["app"]) as where:
        ran = client.run(f"http://{where}/ag-ui")
    assert ran.messages[-1]["content"] == "Hello from LangChain"
    assert ran.outcome == "success"


def test_custom_events_that_the_page_names_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in (PACKAGE / "wire" / "ag_ui").glob("*.py"))
    named = set(re.findall(r"`streamkit\.([a-z_]+)`", PAGE))
    assert named == set(re.findall(r'_custom\(\s*"([a-z_]+)"', code))
