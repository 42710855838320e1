"""The vocabulary for others: JSON Schema, TypeScript, Pydantic, FastAPI."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError

import langchain_streamkit.schema
from langchain_streamkit import events as ev
from langchain_streamkit.events import EVENT_CLASSES, TERMINAL_TYPES, Event
from langchain_streamkit.schema import event_json_schema, inlined_json_schema, typescript
from tests.foundation.samples import SAMPLES

FOLDER = Path(langchain_streamkit.schema.__file__).parent

by_type = pytest.mark.parametrize("type_", EVENT_CLASSES)


# ---- generated files -----------------------------------------------------------------------------


def test_generated_files_are_current(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "langchain_streamkit.schema"]
    subprocess.run([*command, str(tmp_path)], check=True, cwd=FOLDER.parents[1])
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert written.keys() == {"events.schema.json", "events.d.ts"}
    for name, text in written.items():
        assert (FOLDER / name).read_text("utf-8") == text, (
            f"{name} is out of date; run: python -m langchain_streamkit.schema"
        )


# ---- JSON Schema ---------------------------------------------------------------------------------


def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def schema_of_all() -> jsonschema.Draft202012Validator:
    return validator(json.loads((FOLDER / "events.schema.json").read_text("utf-8")))


@by_type
def test_event_is_valid_by_the_schema_of_its_class_and_by_no_other(type_: str) -> None:
    schema = validator(event_json_schema(EVENT_CLASSES[type_]))
    for other, event in SAMPLES.items():
        assert schema.is_valid(event.to_dict()) is (other == type_)


@by_type
def test_event_is_valid_by_the_schema_of_all_events(
    type_: str, schema_of_all: jsonschema.Draft202012Validator
) -> None:
    schema_of_all.validate(SAMPLES[type_].to_dict())


@by_type
def test_schema_names_the_type_as_a_constant_and_explains_itself(type_: str) -> None:
    schema = inlined_json_schema(EVENT_CLASSES[type_])
    assert schema["properties"]["type"] == {"const": type_}
    assert schema["description"]
    assert "$ref" not in json.dumps(schema)
    assert validator(schema).is_valid(SAMPLES[type_].to_dict())


@pytest.mark.parametrize(
    "wrong", [{}, {"type": "x"}, {"type": "custom", "seq": "1", "run_id": "r", "ts": 1}]
)
def test_schema_refuses_what_is_no_event(
    wrong: Any, schema_of_all: jsonschema.Draft202012Validator
) -> None:
    assert not schema_of_all.is_valid(wrong)


def test_schema_allows_fields_of_a_newer_version(
    schema_of_all: jsonschema.Draft202012Validator,
) -> None:
    assert schema_of_all.is_valid({**SAMPLES["text.delta"].to_dict(), "hologram": 1})


# ---- TypeScript ----------------------------------------------------------------------------------


@functools.cache
def interfaces() -> dict[str, dict[str, str]]:
    """Of each interface: its fields, with "?" where optional, and their types."""
    found: dict[str, dict[str, str]] = {}
    for name, body in re.findall(r"export interface (\w+) \{\n(.*?)\n\}", typescript(), re.DOTALL):
        fields = re.findall(r"^  (\w+\??): (.+);$", body, re.MULTILINE)
        assert len(fields) == len(body.splitlines())
        found[name] = dict(fields)
    return found


@by_type
def test_typescript_interface_has_every_field_of_the_event(type_: str) -> None:
    cls = EVENT_CLASSES[type_]
    fields = dict(interfaces()[cls.__name__])
    assert fields.pop("type") == f'"{type_}"'
    schema = inlined_json_schema(cls)
    optional = schema["properties"].keys() - set(schema["required"])
    names = {f"{name}?" if name in optional else name for name in schema["properties"]}
    assert fields.keys() == names - {"type"}


def test_typescript_names_every_type_it_uses() -> None:
    text = typescript()
    declared = set(re.findall(r"export (?:interface|type) (\w+)", text))
    used = {
        name
        for fields in interfaces().values()
        for type_ in fields.values()
        for name in re.findall(r"\b[A-Z]\w+", re.sub(r'"[^"]*"', "", type_))
    }
    assert used <= declared
    assert text.count("{") == text.count("}")


def test_typescript_unions_hold_all_events_and_all_ends() -> None:
    text = typescript()
    for union, classes in (
        ("StreamEvent", list(EVENT_CLASSES.values())),
        ("TerminalEvent", [EVENT_CLASSES[name] for name in TERMINAL_TYPES]),
    ):
        body = re.search(rf"export type {union} =\n(.*?);", text, re.DOTALL)
        assert body is not None
        assert set(re.findall(r"\w+", body[1])) == {cls.__name__ for cls in classes}


@pytest.mark.parametrize(
    ("interface", "field", "type_"),
    [
        ("TextDelta", "text", "string"),
        ("TextDelta", "tokens?", "number | null"),
        ("StepStarted", "kind", '"graph" | "node" | "chain" | "retriever"'),
        ("RunInterrupted", "interrupts", "InterruptInfo[]"),
        ("RunStarted", "metadata?", "{ [key: string]: JSONValue }"),
        ("RunFinished", "output?", "JSONValue"),
        ("TextFinished", "annotations?", "JSONValue[]"),
        ("Usage", "details?", "UsageDetails"),
        ("Usage", "late?", "boolean"),
    ],
)
def test_typescript_type_of_a_field(interface: str, field: str, type_: str) -> None:
    assert interfaces()[interface][field] == type_


def test_typescript_compiles_where_a_compiler_is_installed(tmp_path: Path) -> None:
    compiler = shutil.which("tsc")
    use = tmp_path / "use.ts"
    use.write_text(
        f'import type {{ StreamEvent }} from "{FOLDER / "events"}";\n'
        "export function textOf(event: StreamEvent): string {\n"
        '  switch (event.type) { case "text.delta": return event.text; default: return ""; }\n'
        "}\n"
    )
    if compiler is not None:
        subprocess.run([compiler, "--noEmit", "--strict", str(use)], check=True)
    assert '"text.delta"' in (FOLDER / "events.d.ts").read_text("utf-8")


# ---- Pydantic and FastAPI ------------------------------------------------------------------------


class Envelope(BaseModel):
    first: ev.RunStarted
    events: list[Event]


@by_type
def test_pydantic_takes_an_event_or_its_dict_and_gives_its_dict(type_: str) -> None:
    event = SAMPLES[type_]
    adapter: TypeAdapter[Any] = TypeAdapter(EVENT_CLASSES[type_])
    assert adapter.validate_python(event) is event
    assert adapter.validate_python(event.to_dict()) == event
    assert adapter.validate_json(event.to_json()) == event
    assert adapter.dump_python(event) == event.to_dict()
    assert json.loads(adapter.dump_json(event)) == json.loads(event.to_json())


@by_type
def test_pydantic_finds_the_class_of_each_event_in_the_union(type_: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Event)
    assert adapter.validate_json(SAMPLES[type_].to_json()) == SAMPLES[type_]
    assert adapter.dump_python(SAMPLES[type_]) == SAMPLES[type_].to_dict()


def test_pydantic_model_with_events_in_it_round_trips() -> None:
    envelope = Envelope(first=SAMPLES["run.started"], events=list(SAMPLES.values()))
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


@pytest.mark.parametrize("wrong", [{}, None, {"type": "run.started", "seq": "x"}, "text"])
def test_pydantic_says_where_an_event_is_wrong(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="first"):
        Envelope.model_validate({"first": wrong, "events": []})


def test_pydantic_json_schema_of_a_model_with_events_is_valid_and_complete() -> None:
    for mode in ("validation", "serialization"):
        schema = Envelope.model_json_schema(mode=mode)
        event = {"first": SAMPLES["run.started"].to_dict(), "events": []}
        assert validator(schema).is_valid(event)
        assert not validator(schema).is_valid({"first": {"type": "custom"}, "events": []})


def test_event_is_a_fastapi_request_and_response_type() -> None:
    app = FastAPI()

    @app.post("/echo", response_model=Event)
    def echo(event: Annotated[Event, Body()]) -> Event:
        return event

    @app.get("/last")
    def last() -> ev.RunFinished:
        found = SAMPLES["run.finished"]
        assert isinstance(found, ev.RunFinished)
        return found

    with TestClient(app) as client:
        for event in SAMPLES.values():
            answer = client.post("/echo", json=event.to_dict())
            assert answer.status_code == 200
            assert answer.json() == json.loads(event.to_json())
        assert client.get("/last").json() == json.loads(SAMPLES["run.finished"].to_json())
        assert client.post("/echo", json={"type": "nonsense"}).status_code == 422
        paths = client.get("/openapi.json").json()["paths"]
    answer_schema = paths["/last"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer_schema["schema"]["properties"]["type"] == {"const": "run.finished"}
