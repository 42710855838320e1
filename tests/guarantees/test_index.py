"""docs/guarantees.md says which test shows which guarantee: all of them, by tests that exist.

Each row of its tables ends in a comment that readers do not see: the probes (P1 to P22) and the
guarantees (R1 to R25) of the survey of LangChain's behaviour that the row is about.
"""

from __future__ import annotations

import ast
import functools
import re
from typing import NamedTuple

import pytest

from tests.test_project import ROOT

DOCUMENT = ROOT / "docs" / "guarantees.md"
PROBES = {f"P{number}" for number in range(1, 23)}
GUARANTEES = {f"R{number}" for number in range(1, 26)}
NOT_YET: set[str] = set()
"""Those of later versions, under a heading of that name."""

_TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
_ABOUT = re.compile(r"<!-- ([PR\d ]+) -->")


class Row(NamedTuple):
    line: int
    text: str
    about: frozenset[str]
    tests: tuple[tuple[str, str], ...]
    not_yet: bool


def rows() -> list[Row]:
    found: list[Row] = []
    title = ""
    for number, line in enumerate(DOCUMENT.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            title = line.removeprefix("## ")
        if line.startswith("| ") and not line.startswith(("| ---", "| What hurts")):
            about = {one for marks in _ABOUT.findall(line) for one in marks.split()}
            tests = tuple((path, name) for name, path in _TEST.findall(line))
            found.append(Row(number, line, frozenset(about), tests, title == "Not yet"))
    return found


ROWS = rows()
NAMED = sorted({test for row in ROWS for test in row.tests})


@functools.cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in functions_of(path)


def test_every_probe_and_every_guarantee_is_shown_by_a_test_or_said_to_come_later() -> None:
    shown = {one for row in ROWS if not row.not_yet for one in row.about}
    assert shown == (PROBES | GUARANTEES) - NOT_YET
    assert {one for row in ROWS if row.not_yet for one in row.about} == NOT_YET


def test_every_row_says_what_it_is_about_and_names_its_tests() -> None:
    assert ROWS
    for row in ROWS:
        assert row.about, f"line {row.line}"
        assert bool(row.tests) != row.not_yet, f"line {row.line}"


def test_every_test_of_this_folder_about_a_pain_is_named() -> None:
    here = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/guarantees").glob("*.py")]
    modules = {path for path in here if "/test_" in path and not path.endswith("test_index.py")}
    assert modules == {path for path, _ in NAMED if path in here}


def test_readers_meet_no_numbers_of_ours() -> None:
    for row in ROWS:
        assert not re.search(r"\b[PR]\d+\b", _ABOUT.sub("", row.text)), f"line {row.line}"
