"""Usage as a table: aligned, honest about what is not known, safe to show."""

from __future__ import annotations

import sys
from decimal import Decimal
from html.parser import HTMLParser
from textwrap import dedent
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit.amounts import dollars, places_for
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.cells import one_line, width
from langchain_streamkit.tokens.ledger import Ledger
from langchain_streamkit.tokens.tables import MAX_ROWS
from tests.tokens.usage_records import THREE, nothing_told, record

EVIL = "<script>alert('x')</script>\x1b[31m\n\u202e&"


def shown(text: str) -> str:
    return dedent(text).strip()


# ---- text ----------------------------------------------------------------------------------------


def test_table_of_calls() -> None:
    assert str(Ledger(THREE).table()) == shown(
        """
        model   node   attempt   input  output      cost  status
        ------  -----  -------  ------  ------  --------  -------
        gpt-4o  plan         1   1,000     200   $0.0123  ok
        mine    write        2      ~1      ~3         -  aborted
        gpt-4o  -            1       0       0   $0.0000  ok
        ------  -----  -------  ------  ------  --------  -------
        total                   ~1,001    ~203  ~$0.0123
        ~ 1 call with estimated tokens
        1 call without a known price
        """
    )


def test_groups_have_a_line_each_and_one_for_all() -> None:
    records = [
        record("a", "1.5", model="gpt-4o", input_tokens=12_000, output_tokens=10),
        record("b", "0.25", model="模型", input_tokens=7, output_tokens=1),
        record("c", "0.25", model="gpt-4o", input_tokens=1),
    ]
    assert repr(Ledger(records).table("model")) == shown(
        """
        model   calls   input  output   total     cost
        ------  -----  ------  ------  ------  -------
        gpt-4o      2  12,001      10  12,011  $1.7500
        模型        1       7       1       8  $0.2500
        ------  -----  ------  ------  ------  -------
        total       3  12,008      11  12,019  $2.0000
        """
    )


def test_what_is_estimated_or_not_known_is_marked_and_counted_below() -> None:
    records = [
        record("a", "0.5", source="estimated", input_tokens=5),
        record("b", input_tokens=5),
        nothing_told("c"),
    ]
    assert str(Ledger(records).table(columns=["call_id", "input_tokens", "cost"])) == shown(
        """
        call id  input      cost
        -------  -----  --------
        a           ~5  ~$0.5000
        b            5         -
        c            -         -
        -------  -----  --------
        total      ~10  ~$0.5000
        ~ 1 call with estimated tokens
        1 call without reported tokens
        2 calls without a known price
        """
    )


def test_prompt_and_cost_of_a_counted_call_are_marked_and_its_answer_is_not() -> None:
    records = [
        record("a", "0.5", source="counted", input_tokens=5, output_tokens=2),
        record("b", "0.5", input_tokens=5, output_tokens=2),
    ]
    ledger = Ledger(records)
    assert str(ledger.table("source")) == shown(
        """
        source    calls  input  output  total      cost
        --------  -----  -----  ------  -----  --------
        counted       1     ~5       2     ~7  ~$0.5000
        provider      1      5       2      7   $0.5000
        --------  -----  -----  ------  -----  --------
        total         2    ~10       4    ~14  ~$1.0000
        ~ 1 call with an estimated prompt
        """
    )
    assert (ledger.total().counted, ledger.total().estimated) == (1, 0)
    assert repr(ledger) == "<Ledger 2 calls, ~14 tokens, ~$1.0000>"
    assert str(ledger.table(columns=["output_tokens"])).endswith("4")


def test_notes_are_about_columns_that_are_shown() -> None:
    assert str(Ledger(THREE).table(columns=["model"])).endswith("total")


def test_columns_that_say_nothing_are_left_out() -> None:
    plain = [record("a", "1", input_tokens=1), record("b", "1", input_tokens=1)]
    assert Ledger(plain).table().columns == ("model", "input_tokens", "output_tokens", "cost")
    rich = [*plain, record("c", cache_read=1, node="n", retracted=True, late=True, duration_ms=5)]
    assert Ledger(rich).table().columns == (
        *("model", "node", "input_tokens", "output_tokens", "cache_read", "cost"),
        *("duration_ms", "late", "retracted"),
    )
    assert "cache_read" in Ledger(rich).table("node").columns


def test_asked_columns_come_as_asked() -> None:
    table = Ledger(THREE).table("user", ["cost", "calls"])
    assert table.columns == ("cost", "calls")
    assert str(table).splitlines()[0].split() == ["user", "cost", "calls"]


def test_tags_that_overlap_are_told_of() -> None:
    note = "a call counts under each of its tags, and once in the total"
    assert note in str(Ledger(THREE).table("tag"))
    assert note not in str(Ledger(THREE[1:]).table("tag"))


def test_paths_tags_and_times_are_readable() -> None:
    names = ["path", "tags", "started_ms", "tokens_per_second", "late"]
    one = record(path=("team", "w#2"), tags=("a", "b"), tokens_per_second=1234.56, late=True)
    row = str(Ledger([one]).table(columns=names)).splitlines()[2]
    assert row == "team/w#2  a, b  2023-11-14 22:13:20   1,234.6  yes"


def test_long_table_shows_its_beginning_and_the_total_of_all() -> None:
    text = str(Ledger(record(f"{n}", output_tokens=1) for n in range(MAX_ROWS + 2)).table())
    assert len(text.splitlines()) == MAX_ROWS + 6
    assert "2 more rows: to_pandas() has all" in text
    assert "202" in text.splitlines()[MAX_ROWS + 3]


def test_table_is_of_its_moment() -> None:
    ledger = Ledger(THREE)
    table = ledger.table()
    before = str(table)
    ledger.clear()
    assert str(table) == before


def test_empty_ledger_says_so() -> None:
    for by in (None, "model", "tag"):
        table = Ledger().table(by)
        assert str(table) == "no model calls"
        assert table.to_html() == "<div>no model calls</div>"
        assert table.to_pandas().empty


@pytest.mark.parametrize(
    ("by", "columns", "said"),
    [
        (None, ["costs"], "a table of calls has no column 'costs': did you mean 'cost'"),
        ("model", ["node"], "a table of groups has no column 'node'"),
        ("nodes", None, "did you mean 'node'"),
        (None, "cost", r"write columns=\['cost'\]"),
        (None, [], "columns is empty"),
        (None, [7], "no column 7"),
    ],
)
def test_wrong_group_or_column_is_refused(by: Any, columns: Any, said: str) -> None:
    with pytest.raises(StreamUsageError, match=said):
        Ledger(THREE).table(by, columns)


def test_function_names_the_group_column_unless_the_name_is_taken() -> None:
    def fast(r: Any) -> bool:
        return bool(r.duration_ms)

    def cost(r: Any) -> bool:
        return r.cost is None

    ledger = Ledger(THREE)
    assert str(ledger.table(fast)).split()[0] == "fast"
    assert str(ledger.table(cost)).split()[0] == "group"
    assert str(ledger.table(lambda r: None)).split()[0] == "group"
    assert str(ledger.table(cost)).splitlines()[2].startswith("False")


@pytest.mark.parametrize("by", ["source", "status"])
def test_group_that_is_a_column_of_totals_stands_once(by: Any) -> None:
    table = Ledger(THREE).table(by)
    assert by not in table.columns
    assert list(table.to_pandas().columns).count(by) == 1


# ---- costs and names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "places", "text"),
    [
        ("0.00005", 4, "$0.0001"),
        ("0.00004999", 4, "$0.0000"),
        ("2.00015", 4, "$2.0002"),
        ("1234567.5", 2, "$1,234,567.50"),
        ("0", 4, "$0.0000"),
        ("999999999999999", 4, "$999,999,999,999,999.0000"),
    ],
)
def test_cost_is_rounded_half_up(cost: str, places: int, text: str) -> None:
    assert dollars(Decimal(cost), places) == text


@given(st.decimals(0, 10**14, allow_nan=False, places=60))
def test_cost_above_zero_never_looks_like_zero(cost: Decimal) -> None:
    text = dollars(cost, places_for([cost, Decimal(3), None]))
    assert (text.strip("$0.,") == "") == (cost == 0)


def test_total_is_rounded_from_the_exact_sum() -> None:
    third = [record(f"{n}", "0.33335", output_tokens=1) for n in range(3)]
    assert str(Ledger(third).table(columns=["cost"])).split()[2:] == [
        *("$0.3334", "$0.3334", "$0.3334", "-------", "$1.0001"),
    ]


@given(st.text(st.characters()))
def test_name_is_one_line_of_limited_width_without_control_characters(name: str) -> None:
    text = one_line(name)
    assert len(text.splitlines()) <= 1
    assert width(text) <= 48
    assert not set(text) & {*map(chr, (*range(32), *range(127, 160))), "\u202e", "\u2066"}


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_every_line_of_a_table_is_aligned(names: list[str]) -> None:
    records = [record(f"{n}", "1", model=name, input_tokens=n) for n, name in enumerate(names)]
    lines = str(Ledger(records).table()).splitlines()
    assert {width(line) for line in lines} == {width(lines[0])}


# ---- HTML ----------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.opened.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_has_the_cells_of_the_text_and_escapes_names() -> None:
    ledger = Ledger([*THREE, record("c4", model=EVIL, node=EVIL, user=EVIL)])
    for table in (ledger.table(), ledger.table("model"), ledger.table(columns=["user", "cost"])):
        page = Tags()
        page.feed(table.to_html())
        assert set(page.opened) == {"div", "table", "thead", "tbody", "tfoot", "tr", "th", "td"}
        text = "".join(page.text)
        assert "\x1b" not in text
        assert "alert('x')" in text
        assert "calls without a known price" in text
    assert ledger._repr_html_() == ledger.table()._repr_html_() == ledger.table().to_html()


def test_html_takes_the_colours_of_the_notebook() -> None:
    html = Ledger(THREE).table().to_html()
    assert "color:" not in html
    assert "http" not in html
    assert "<style" not in html


# ---- pandas --------------------------------------------------------------------------------------


def test_frame_has_every_field_with_its_type() -> None:
    frame = Ledger(THREE).table().to_pandas()
    assert list(frame.columns) == list(THREE[0].__struct_fields__)
    assert frame["cost"].dtype == "float64"
    assert frame["cost"].isna().tolist() == [False, True, False]
    assert frame["input_tokens"].dtype == "int64"
    assert frame["counted_tokens"].dtype == "Int64"
    assert frame["late"].dtype == "bool"
    assert isinstance(frame["model"].dtype, pd.StringDtype)
    assert frame["path"].tolist() == ["team/worker", "team/worker#2", ""]
    assert frame["input_tokens"].sum() == 1001


def test_frame_of_groups_begins_with_the_key_and_has_the_columns_asked_for() -> None:
    frame = Ledger(THREE).table("path", ["calls", "cost"]).to_pandas()
    assert list(frame.columns) == ["path", "calls", "cost"]
    assert frame["path"].tolist() == ["team/worker", ""]
    assert frame["calls"].tolist() == [2, 1]
    assert Ledger(THREE).table("attempt").to_pandas()["attempt"].tolist() == [1, 2]


def test_types_of_an_empty_frame_are_the_same() -> None:
    full, empty = (Ledger(given).table().to_pandas() for given in (THREE, []))
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(StreamUsageError, match="pip install pandas"):
        Ledger(THREE).table().to_pandas()


# ---- in a few words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([], "0 calls"),
        ([record("a", "0.0123", input_tokens=1204)], "1 call, 1,204 tokens, $0.0123"),
        (THREE, "3 calls, ~1,204 tokens, ~$0.0123, 1 unpriced"),
        ([record("a", input_tokens=5)], "1 call, 5 tokens, unknown cost"),
        ([nothing_told("a")], "1 call, unknown tokens, unknown cost"),
        ([record("a", "0.0000012")], "1 call, 0 tokens, $0.0000012"),
    ],
)
def test_ledger_in_a_few_words(records: Any, text: str) -> None:
    class UsageLedger(Ledger):
        pass

    assert repr(Ledger(records)) == f"<Ledger {text}>"
    assert repr(UsageLedger(records)) == f"<UsageLedger {text}>"
