"""``run.partial(Model)``: the object while its JSON streams, then the final one."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from dataclasses import dataclass, field, make_dataclass
from datetime import date
from typing import Annotated, Any, Literal, NotRequired

import pytest
from annotated_types import MinLen
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import TypedDict

from langchain_streamkit import InvalidOutput, StreamUsageError, astream, stream
from langchain_streamkit.runs.views import partial_feed, partial_schema
from langchain_streamkit.runs.views.partial_build import MISSING, partial
from langchain_streamkit.testing import ScriptedModel, ToolCall, Turn, scripted_provider
from tests.runs.scenes import QUESTION, graph, speaking
from tests.runs.watching import WAIT_S
from tests.views.reading import aread


class Step(BaseModel):
    do: str
    minutes: int = 0


class Recipe(BaseModel):
    """A recipe."""

    title: str
    rating: int = Field(ge=1, le=5)
    steps: Annotated[list[Step], MinLen(1)]


class Note(TypedDict):
    """A note."""

    title: str
    tags: NotRequired[list[str]]


@dataclass(frozen=True)
class Point:
    """A point."""

    name: str
    at: list[int] = field(default_factory=list)


SOUP = {"title": "Soup", "rating": 4, "steps": [{"do": "cut", "minutes": 12}, {"do": "cook"}]}
TEXT = json.dumps(SOUP)


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def saying(*texts: str) -> ScriptedModel:
    return ScriptedModel([pieces(text) for text in texts])


def parsing(model: Any) -> Any:
    return model | PydanticOutputParser(pydantic_object=Recipe)


def check_growing(found: list[Any]) -> None:
    """Each differs from the one before, and nothing that was there goes away."""
    assert all(isinstance(one, Recipe) for one in found)
    for before, after in itertools.pairwise(found[:-1]):
        assert before != after
        assert before.model_fields_set <= after.model_fields_set
        assert after.title.startswith(before.title)
        assert len(after.steps or []) >= len(before.steps or [])


# ---- where the JSON comes from -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [TEXT, f"```json\n{TEXT}\n```", f"Here {{you}} are:\n{TEXT}", f"{TEXT}\nEnjoy {{it}}!"],
    ids=["bare", "fenced", "after prose", "before prose"],
)
async def test_json_in_text_gives_growing_objects_and_last_the_final_one(text: str) -> None:
    found = await aread(astream(saying(text), "hi").partial(Recipe))
    check_growing(found)
    assert len(found) > 4
    assert "Soup".startswith(found[0].title)
    assert found[0].rating is None
    assert found[-1] == Recipe.model_validate(SOUP)


async def test_the_last_object_is_the_very_one_that_the_run_returns() -> None:
    run = astream(parsing(saying(TEXT)), "hi")
    found = await aread(run.partial(Recipe))
    assert found[-1] is await run.result()


async def test_arguments_of_a_tool_call_named_like_the_model_are_read() -> None:
    model = ScriptedModel([Turn("Let me {see}.", tool_calls=[ToolCall("Recipe", SOUP)])])
    agent = create_agent(model, [], response_format=ToolStrategy(Recipe))
    run = astream(agent, QUESTION)
    found = await aread(run.partial(Recipe))
    check_growing(found)
    assert len(found) > 4
    assert found[-1] is (await run.result())["structured_response"]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # langchain-openai's own
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_with_structured_output_of_a_real_client_is_read(method: Any) -> None:
    gates = {chunk: threading.Event() for chunk in (3, 6, 11)}  # each opened by an object
    turn = (
        Turn(tool_calls=[ToolCall("Recipe", SOUP)], hold=gates)
        if method == "function_calling"
        else Turn(pieces(TEXT), hold=gates)
    )
    with scripted_provider([turn]) as provider:
        model = ChatOpenAI(model="m", base_url=provider.base_url, api_key="k", streaming=True)  # type: ignore[arg-type]
        run = astream(model.with_structured_output(Recipe, method=method), "hi")
        found: list[Recipe] = []
        shut = iter(gates.values())
        async with asyncio.timeout(WAIT_S):
            async for one in run.partial(Recipe):
                found.append(one)
                for gate in itertools.islice(shut, 1):
                    gate.set()
        assert found[-1] is await run.result()
    check_growing(found)
    assert len(found) > 3


async def test_a_typed_dict_grows_by_its_keys() -> None:
    text = json.dumps({"title": "Hello", "tags": ["a", "bc"], "else": 1})
    found = await aread(astream(saying(text) | JsonOutputParser(), "hi").partial(Note))
    assert found[0].keys() == {"title"}
    assert {"title": "Hello", "tags": ["a"]} in found
    assert found[-1] == {"title": "Hello", "tags": ["a", "bc"]}


async def test_a_dataclass_grows_too() -> None:
    found = await aread(astream(saying('{"name": "here", "at": [1, 22]}'), "hi").partial(Point))
    assert "here".startswith(found[0].name)
    assert found[0].at == []
    assert found[-1] == Point("here", [1, 22])


def test_a_plain_run_has_it_too() -> None:
    found = list(stream(saying(TEXT), "hi").partial(Recipe))
    check_growing(found)
    assert found[-1] == Recipe.model_validate(SOUP)


async def test_read_late_it_gives_what_there_is_and_the_final_one() -> None:
    run = astream(parsing(saying(TEXT)), "hi")
    result = await run.result()
    found = await aread(run.partial(Recipe))
    assert found == [result, result]
    assert found[-1] is result


async def test_only_the_chosen_part_of_a_run_is_read() -> None:
    other = TEXT.replace("Soup", "Cake")
    run = astream(
        graph(("a", speaking(saying(TEXT), "a")), ("b", speaking(saying(other), "b"))), QUESTION
    )
    a, b = await asyncio.gather(
        aread(run.partial(Recipe, node="a")), aread(run.partial(Recipe, path="b"))
    )
    assert (a[-1].title, b[-1].title) == ("Soup", "Cake")


# ---- what goes wrong -----------------------------------------------------------------------------


async def test_an_attempt_that_died_starts_over_and_nothing_of_it_comes_later() -> None:
    cake = TEXT.replace("Soup", "Cake")
    model = ScriptedModel([[*pieces(cake)[:6], ValueError("x")], pieces(TEXT)])
    run = astream(model.with_retry(wait_exponential_jitter=False), "hi")
    titles = [one.title for one in await aread(run.partial(Recipe))]
    last_of_first = max((i for i, title in enumerate(titles) if "C" in title), default=-1)
    assert all("C" not in title for title in titles[last_of_first + 1 :])
    assert titles[-1] == "Soup"


async def test_json_that_the_model_refuses_raises_with_its_text() -> None:
    wrong = TEXT.replace("4", "9")
    with pytest.raises(InvalidOutput, match="no Recipe") as caught:
        await aread(astream(saying(wrong), "hi").partial(Recipe))
    assert caught.value.text == wrong
    assert isinstance(caught.value.__cause__, ValidationError)


class Tree(BaseModel):
    kids: list[Tree] = []


def test_json_that_is_nested_beyond_what_python_can_read_is_invalid() -> None:
    run = stream(ScriptedModel([[piece for _ in range(3000) for piece in '{"kids":[']]), "hi")
    with pytest.raises(InvalidOutput, match="no Tree"):
        list(run.partial(Tree))
    assert run.outcome == "finished"


async def test_json_that_is_cut_off_raises_though_its_parts_were_given() -> None:
    partials = aiter(astream(saying(TEXT[:40]), "hi").partial(Recipe))
    found = [await anext(partials)]
    with pytest.raises(InvalidOutput):
        found.extend([one async for one in partials])
    assert found[0].title


async def test_an_answer_without_json_raises() -> None:
    with pytest.raises(InvalidOutput, match="no Recipe"):
        await aread(astream(saying("I would rather not."), "hi").partial(Recipe))


async def test_a_cancelled_run_ends_it_without_an_error() -> None:
    run = astream(ScriptedModel([[*pieces(TEXT)[:6], asyncio.Event()]]), "hi")
    partials = aiter(run.partial(Recipe))
    assert (await anext(partials)).title
    await run.cancel()
    await aread(partials)


@pytest.mark.parametrize("model", [dict, int, "Recipe", {"title": "x"}, Recipe(**SOUP)])  # type: ignore[arg-type]
def test_what_is_no_model_is_refused_at_once(model: Any) -> None:
    with pytest.raises(StreamUsageError, match="Pydantic model, a TypedDict or a dataclass"):
        astream(saying(TEXT), "hi").partial(model)


# ---- how an object is made -----------------------------------------------------------------------


class Tricky(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: Literal["long", "short"]
    day: date | None = None
    named: str = Field(default="x", alias="theName")
    inner: Step | Note | None = None
    by_key: dict[str, Step] = {}
    pair: tuple[int, str] = (0, "")
    rest: tuple[int, ...] = ()
    again: list[Tricky] = []

    @field_validator("named")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()

    @model_validator(mode="after")
    def refuse(self) -> Tricky:
        assert self.kind
        return self


@pytest.mark.parametrize(
    ("value", "field_name", "there"),
    [
        ({"kind": "lo"}, "kind", None),
        ({"kind": "long"}, "kind", "long"),
        ({"day": "2024-01-0"}, "day", None),
        ({"day": "2024-01-02"}, "day", date(2024, 1, 2)),
        ({"theName": "ab"}, "named", "ab"),
        ({}, "named", "x"),
        ({"pair": [1]}, "pair", (0, "")),
        ({"pair": [1, "a"]}, "pair", (1, "a")),
        ({"rest": [1, 2, "x"]}, "rest", (1, 2)),
        ({"unknown": 1}, "kind", None),
    ],
)
def test_a_field_is_there_once_it_is_valid(value: Any, field_name: str, there: Any) -> None:
    assert getattr(partial(Tricky, value), field_name) == there


def test_models_inside_are_partial_too() -> None:
    made = partial(
        Tricky,
        {"inner": {"do": "c"}, "by_key": {"a": {"do": "x"}, "b": {}}, "again": [{"kind": "short"}]},
    )
    assert made.inner.do == "c"
    assert made.by_key["a"].do == "x"
    assert made.by_key["b"].do is None
    assert made.again[0].kind == "short"


def test_the_arm_of_a_union_is_the_one_of_which_the_most_is_there() -> None:
    assert partial(Tricky, {"inner": {"title": "t", "tags": ["a"]}}).inner == {
        "title": "t",
        "tags": ["a"],
    }


def test_what_fits_nothing_is_missing() -> None:
    assert partial(int, "x") is MISSING


@pytest.mark.parametrize("size", [1_000, 10_000, 30_000])
async def test_parsing_is_linear_in_the_text(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[int] = []
    real = partial_schema.parsed

    def counted(text: str, *, ended: bool) -> Any:
        costs.append(len(text))
        return real(text, ended=ended)

    monkeypatch.setattr(partial_feed, "parsed", counted)
    text = json.dumps({"title": "x" * size, "tags": []})
    found = await aread(astream(ScriptedModel([pieces(text, 16)]), "hi").partial(Note))
    assert found[-1]["title"] == "x" * size
    assert sum(costs) <= 70 * len(text)


def test_a_class_that_pydantic_cannot_check_is_refused_at_once() -> None:
    broken = make_dataclass("Broken", [("a", "Nowhere")])
    with pytest.raises(StreamUsageError, match="every name in its annotations known"):
        stream(ScriptedModel(["{}"]), "hi").partial(broken)
