"""What calls cost: the user's prices first, exact, and never 0 for what is not known."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_streamkit import StreamUsageError, UsageLedger, astream, stream
from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedModel, Turn
from langchain_streamkit.tokens import prices as prices_module
from tests.guarantees.pains import all_of, asked_in_a_node, of, side_by_side
from tests.scenarios.told import HI, USAGE, graph, node_of, says, sync_node_of
from tests.usage.counting import DEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event

FULL = Turn("Full answer", usage=USAGE)
_NAMES = itertools.count()


def unknown() -> ScriptedModel:
    """A model that no test has met before: one without a price is told of once."""
    return ScriptedModel([FULL, FULL], model_name=f"home-made-{next(_NAMES)}")


def unpriced(events: list[Event]) -> list[str]:
    return [e.message for e in of(ev.Diagnostic, events) if e.code == "price_unknown"]


async def finished(run: Any) -> Any:
    events = await all_of(run)
    return of(ev.MessageFinished, events)[0].usage, events[-1], events


async def test_ones_own_prices_come_before_those_of_the_library() -> None:
    model = ScriptedModel([FULL], model_name="gpt-4o")
    prices: Any = {"gpt-4o": {"input": "0.1", "output": 0.2}}
    usage, end, _ = await finished(astream(model, "hi", prices=prices))
    assert usage.cost == "0.000002"
    assert end.usage.cost == "0.000002"


async def test_a_price_holds_for_the_name_that_was_asked_for_whatever_name_answers() -> None:
    class Dated(ScriptedModel):
        def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
            return {"ls_provider": "openai", "ls_model_name": "mine"}

    run = astream(
        Dated(turns=[FULL], model_name="mine-2026-11"), "hi", prices={"mine": DEAR["scripted"]}
    )
    usage, _, events = await finished(run)
    assert (usage.cost, usage.model) == ("20", "mine-2026-11")
    assert unpriced(events) == []


async def test_the_library_prices_what_is_not_given() -> None:
    pytest.importorskip("genai_prices")

    class Sold(ScriptedModel):
        def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
            return {"ls_provider": "openai", "ls_model_name": "gpt-4o"}

    run = astream(Sold(turns=[FULL], model_name="gpt-4o"), "hi")
    usage, _, _ = await finished(run)
    assert usage.cost == "0.000075"  # 10 at 2.50 and 5 at 10 dollars per million
    (record,) = run.ledger
    assert record.cost == Decimal("0.000075")


async def test_costs_are_decimals_inside_and_strings_of_digits_outside() -> None:
    prices: Any = {"scripted": {"input": 0.1, "output": 0.2}}
    run = astream(says(FULL), "hi", prices=prices)
    _, end, _ = await finished(run)
    assert isinstance(run.ledger.total().cost, Decimal)
    assert json.loads(end.to_json())["usage"]["cost"] == "0.000002"


async def test_cached_tokens_have_their_own_price() -> None:
    used = {**USAGE, "input_token_details": {"cache_read": 4}}
    prices: Any = {"scripted": {**DEAR["scripted"], "cache_read": 500_000}}
    usage, _, _ = await finished(astream(says(Turn("Hi", usage=used)), "hi", prices=prices))
    assert usage.cost == "18"  # 6 + 4 / 2 + 5 * 2


async def test_sound_has_its_own_price() -> None:
    counts: Any = {**USAGE, "total_tokens": 15, "output_token_details": {"audio": 5}}
    prices: Any = {"scripted": {**DEAR["scripted"], "audio_output": 3_000_000}}
    model = says(["Hi", AIMessageChunk(content="", usage_metadata=counts)])
    usage, _, _ = await finished(astream(model, "hi", prices=prices))
    assert usage.cost == "25"


async def test_a_model_without_a_price_costs_null_and_is_told_of_once() -> None:
    model = unknown()
    usage, end, events = await finished(astream(asked_in_a_node(model), HI, prices=DEAR))
    assert (usage.cost, end.usage.cost) == (None, None)
    (message,) = unpriced(events)
    assert model.model_name in message
    assert "prices={" in message


async def test_a_run_is_unpriced_if_any_of_its_calls_is() -> None:
    both = side_by_side(one=node_of(says(FULL)), two=node_of(unknown()))
    run = astream(both.compile(), HI, prices=DEAR)
    events = await all_of(run)
    assert run.usage is not None
    assert run.usage.cost is None
    assert run.ledger.total().cost == Decimal(20)
    assert run.ledger.total().unpriced == 1
    assert len(unpriced(events)) == 1


async def test_two_calls_of_an_unknown_model_are_one_diagnostic() -> None:
    model = unknown()
    both = side_by_side(one=node_of(model), two=node_of(model))
    assert len(unpriced(await all_of(astream(both.compile(), HI, prices=DEAR)))) == 1


async def test_a_late_call_of_an_unknown_model_puts_nothing_after_the_terminal_event() -> None:
    gate, began, done = threading.Event(), threading.Event(), threading.Event()

    def answer(_: object) -> Turn:
        began.set()
        return Turn("one two", usage=USAGE, hold={0: gate})

    class Ends(UsageLedger):
        def add(self, record: Any) -> None:
            super().add(record)
            if record.late:
                done.set()

    made: Any = graph(writer=sync_node_of(ScriptedModel([answer], model_name="home-late")))
    ledger = Ends()
    options: Any = {"tokens": "off", "streaming": False, "prices": DEAR, "sinks": [ledger]}
    run = astream(made.compile(), HI, **options)
    async with run:
        assert await asyncio.to_thread(began.wait, 10)
        await run.cancel()
    gate.set()
    assert await asyncio.to_thread(done.wait, 10)
    (record,) = ledger
    assert (record.total_tokens, record.cost) == (15, None)
    events = [event async for event in run]
    assert all(event.type != "diagnostic" for event in events)


# ---- without the extra ---------------------------------------------------------------------------


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if genai-prices were not installed."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "genai_prices" else found(name, *more),
    )
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices_module.known_prices.cache_clear()
    yield
    prices_module.known_prices.cache_clear()


@pytest.mark.usefixtures("no_extra")
async def test_without_the_extra_nothing_breaks_and_nothing_is_said() -> None:
    usage, end, events = await finished(astream(unknown(), "hi"))
    assert (usage.cost, end.usage.cost) == (None, None)
    assert unpriced(events) == []


@pytest.mark.usefixtures("no_extra")
async def test_without_the_extra_ones_own_prices_hold_and_others_name_the_extra() -> None:
    usage, _, _ = await finished(astream(says(FULL), "hi", prices=DEAR))
    assert usage.cost == "20"
    _, _, events = await finished(astream(unknown(), "hi", prices=DEAR))
    (message,) = unpriced(events)
    assert "langchain-streamkit[cost]" in message


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tokens": "exakt"}, ["exact", "estimate", "off"]),
        ({"tokens": None}, ["exact", "estimate", "off"]),
        ({"prices": {"m": {"inputs": 1}}}, ["'m'", "inputs", "input", "output", "cache_read"]),
        ({"prices": {"m": {"input": 1}}}, ["'m'", "'output'"]),
        ({"prices": {"m": {"input": -1, "output": 1}}}, ["-1", "dollars per million"]),
        ({"prices": [1]}, ["prices", "{"]),
        ({"capture": {"usages"}}, ["usage"]),
    ],
)
def test_options_that_mean_nothing_name_the_choices(options: Any, names: list[str]) -> None:
    for call in (
        lambda: astream(says("Hi"), "hi", **options),
        lambda: stream(says("Hi"), "hi", **options),
    ):
        with pytest.raises(StreamUsageError) as error:
            call()
        assert [name for name in names if name not in str(error.value)] == []


@pytest.mark.parametrize("wrong", ["x", 7, [1], {"a": 1}])
def test_a_ledger_of_what_is_no_record_is_refused(wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match="UsageRecord"):
        UsageLedger(wrong)


def test_a_ledger_refuses_options_of_no_meaning() -> None:
    with pytest.raises(StreamUsageError, match="exact"):
        UsageLedger(tokens="exakt")  # type: ignore[arg-type]
    with pytest.raises(StreamUsageError, match="inputs"):
        UsageLedger(prices={"m": {"inputs": 1}})


def test_a_group_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(StreamUsageError, match=r"did you mean 'node'.*'model'.*'tag'"):
        UsageLedger().by("nod")  # type: ignore[arg-type]
