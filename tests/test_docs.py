"""The documents are true: README's code runs as it stands, and what they name exists."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from packaging.requirements import Requirement
from starlette.testclient import TestClient

import langchain_streamkit
from langchain_streamkit import check_stream, decode_event, read_jsonl, testing
from langchain_streamkit.events import EVENT_CLASSES, TERMINAL_TYPES
from tests.test_project import LAYERS, PACKAGE, PROJECT, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
_NUMBER = re.compile(r"\b\d+\.\d+(?= s\b)|\b\d+(?=/s\b)")


class Block(NamedTuple):
    """A python block of README, and the text block right below it: what it prints."""

    line: int
    code: str
    prints: str | None


class Executed(NamedTuple):
    """README's code after it has run: what it defined, what each block printed, and where."""

    names: dict[str, Any]
    printed: dict[int, str]
    folder: Path


def blocks() -> list[Block]:
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(README):
        language, text = match.groups()
        if language == "python":
            found.append(Block(README.count("\n", 0, match.start()) + 1, text, None))
        elif language == "text" and not README[end : match.start()].strip():
            found[-1] = found[-1]._replace(prints=text)
        end = match.end()
    return found


BLOCKS = blocks()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """Every python block of README, run in its order in one namespace, in an empty folder.

    As after a plain install: with the extra ``cost``, a first run says that it knows no price for
    the scripted model.
    """
    done = Executed({"__name__": "readme"}, {}, tmp_path_factory.mktemp("readme"))
    without_cost = patch("langchain_streamkit.runs.options.known_prices", lambda: None)
    with contextlib.chdir(done.folder), without_cost:
        for block in BLOCKS:
            out = io.StringIO()
            source = "\n" * block.line + block.code  # so that a traceback names README's line
            with contextlib.redirect_stdout(out):
                exec(compile(source, "README.md", "exec", dont_inherit=True), done.names)
            done.printed[block.line] = out.getvalue()
    return done


@pytest.fixture
def client(executed: Executed) -> Iterator[TestClient]:
    with TestClient(executed.names["app"]) as client:
        yield client


# ---- the code of README --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.prints], ids=lambda block: f"line {block.line}"
)
def test_readme_code_prints_what_readme_shows(block: Block, executed: Executed) -> None:
    assert block.prints is not None
    # Times differ from run to run; everything else is what it is.
    printed = _NUMBER.sub("0", executed.printed[block.line])
    assert printed == _NUMBER.sub("0", block.prints)


def test_readme_code_of_ten_lines_has_ten_lines() -> None:
    code = [line for line in BLOCKS[0].code.splitlines() if line and not line.startswith("#")]
    assert len(code) <= 10


def test_readme_sync_run_gives_text_outcome_and_result(executed: Executed) -> None:
    text = "Tokens come one by one."
    assert f"{text}\nfinished -> {text}\n" in executed.printed.values()


def test_readme_snapshot_has_the_answer_and_the_tool_call(executed: Executed) -> None:
    snapshot = executed.names["snapshot"]
    assert snapshot.text == "It is sunny in Lisbon, 21 °C."
    assert [(call.name, call.args) for call in snapshot.tool_calls] == [
        ("get_weather", {"city": "Lisbon"})
    ]


def test_readme_handler_shows_the_run_of_existing_code(executed: Executed) -> None:
    [shown] = [
        text
        for block, text in zip(BLOCKS, executed.printed.values(), strict=True)
        if "handler = " in block.code
    ]
    assert shown.startswith("▶ assistant\nLet me look.\n→ get_weather(")


def test_readme_file_of_events_is_a_legal_stream_with_the_tool(executed: Executed) -> None:
    assert "['get_weather']\n" in executed.printed.values()
    assert check_stream(list(read_jsonl(executed.folder / "runs.jsonl"))) == []


def test_readme_sse_endpoint_streams_a_legal_chat_view(client: TestClient) -> None:
    response = client.post("/chat", params={"question": "What is the weather in Lisbon?"})
    assert response.headers["content-type"] == "text/event-stream"
    frames = [frame for frame in response.text.split("\n\n") if "data: {" in frame]
    assert frames.pop() == "event: end\ndata: {}"
    events = [decode_event(frame.split("data: ", 1)[1]) for frame in frames]
    assert check_stream(events, view=True) == []
    assert events[-1].type == "run.finished"
    assert "step.started" not in {event.type for event in events}


def test_readme_websocket_endpoint_takes_and_gives_the_frames_that_readme_names(
    client: TestClient, executed: Executed
) -> None:
    start = {"op": "start", "id": "1", "input": executed.names["question"]}
    assert '{"op": "start", "id": "1", "input": {...}}' in README
    with client.websocket_connect("/ws") as socket:
        socket.send_json(start)
        types: list[str] = []
        while not TERMINAL_TYPES & set(types):
            frame = socket.receive_json()
            assert frame["id"] == "1"
            types += [event["type"] for event in frame["events"]]
    assert types[0] == "run.started"
    assert types[-1] == "run.finished"


def test_readme_test_code_records_a_whole_run(executed: Executed) -> None:
    assert [event.type for event in executed.names["sink"].events][-1] == "run.finished"


# ---- what README says ----------------------------------------------------------------------------


def test_readme_names_every_event_type_and_no_other() -> None:
    table = [line for line in section("Events").splitlines() if line.startswith("|")]
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z]+)?)`", "\n".join(table)))
    assert named == set(EVENT_CLASSES)


def test_readme_names_every_extra_for_users_with_what_it_brings() -> None:
    extras = {
        name: {Requirement(line).name for line in lines}
        for name, lines in PROJECT["optional-dependencies"].items()
        if name not in ("all", "dev")
    }
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section("Install"), re.MULTILINE)
    brings = {name: set(packages.split(", ")) for name, packages in rows if name != "all"}
    assert brings == extras
    assert {name for name, _ in rows} == {*extras, "all"}
    for extra in re.findall(r"langchain-streamkit\[([\w,]+)\]", README):
        assert set(extra.split(",")) <= {name for name, _ in rows}


def test_readme_names_the_needed_packages_and_the_python() -> None:
    needs = [Requirement(line).name for line in PROJECT["dependencies"]]
    assert all(name in section("Install") for name in needs)
    assert PROJECT["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in section("Install")


def test_readme_lists_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{document}: make {target}"


def test_readme_has_the_measured_table_between_its_markers() -> None:
    table = README.split("<!-- benchmark:start -->\n")[1].split("<!-- benchmark:end -->")[0]
    header = next(line for line in table.splitlines() if line.startswith("|"))
    assert all(name in header for name in ("W1", "W2", "W3", "W4"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_into_the_project_leads_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    gone = [link for link in _LINK.findall(text) if not (ROOT / link.split("#")[0]).exists()]
    assert not gone


def test_contributing_has_every_part_of_the_package_in_its_layer() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = [set(re.findall(r"`(\w+)(?:/|\.py)`", row.split("|")[1])) for row in rows]
    units = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    there = [layer & units for layer in reversed(LAYERS)]
    assert named == [layer for layer in there if layer]


# ---- the docstrings ------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [langchain_streamkit, testing], ids=lambda m: m.__name__)
def test_every_public_name_has_a_docstring_of_its_own(module: Any) -> None:
    without: list[str] = []
    for name in module.__all__:
        thing = getattr(module, name)
        if not str(getattr(thing, "__module__", "")).startswith("langchain_streamkit"):
            continue  # the version, and the union of all events: no place for a docstring
        inherited = {getattr(base, "__doc__", None) for base in getattr(thing, "__mro__", [])[1:]}
        if not thing.__doc__ or thing.__doc__ in inherited:
            without.append(name)
    assert not without


def test_changelog_tells_of_every_function_and_class_a_user_calls() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    errors = {name for name in langchain_streamkit.__all__ if _is_error(name)}
    types_only = {"AsyncRun", "Run", "Event", "__version__"}
    untold = {
        name
        for name in {*langchain_streamkit.__all__} - errors - types_only
        if not re.search(rf"`{name}\b", text)
    }
    assert not untold


def _is_error(name: str) -> bool:
    thing = getattr(langchain_streamkit, name)
    return isinstance(thing, type) and issubclass(thing, Exception)


def test_schema_files_that_readme_links_hold_every_event() -> None:
    schema = json.loads((PACKAGE / "schema" / "events.schema.json").read_text(encoding="utf-8"))
    types = (PACKAGE / "schema" / "events.d.ts").read_text(encoding="utf-8")
    assert all(cls.__name__ in schema["$defs"] for cls in EVENT_CLASSES.values())
    assert all(f'"{name}"' in types for name in EVENT_CLASSES)
