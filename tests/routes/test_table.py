"""The table of docs/routes.md says what is seen."""

from __future__ import annotations

from tests.routes.table import given, rows
from tests.test_project import ROOT

DOCUMENT = ROOT / "docs" / "routes.md"


async def test_the_table_of_routes_is_what_every_route_was_seen_to_give() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.partition("<!-- table -->")[2].partition("<!-- end of table -->")[0]
    assert table.strip().splitlines() == rows(await given())
