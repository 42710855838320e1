"""What cannot be meant is answered before anything starts, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import (
    Budget,
    Quota,
    StreamCallbackHandler,
    StreamUsageError,
    adapt,
    astream,
    stream,
    with_sinks,
)
from langchain_streamkit.testing import RecordingSink, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable


def _key(user: str | None, thread_id: str | None) -> str:
    return "all"


anything: Any = None
"""Of no type: what checkers would refuse in the calls below."""

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "below zero": (lambda: Budget(tokens=-1), "write 0 to allow none"),
    "no limit": (Budget, "give one of tokens"),
    "unknown limit": (
        lambda: Budget(**{"output_token": 5, **(anything or {})}),
        "did you mean output_tokens=",
    ),
    "a dollar sign": (lambda: Budget(cost="$5"), 'write cost="0.05"'),
    "a quota without key": (lambda: Quota(Budget(tokens=5)), "key=lambda user, thread_id: user"),
    "an unknown option of a quota": (
        lambda: Quota(Budget(tokens=5), anything or _key, **{"windows": 5, **(anything or {})}),
        "it takes key, window and store",
    ),
}


@pytest.mark.parametrize(("make", "advice"), WRONG.values(), ids=WRONG)
def test_a_limit_that_means_nothing_is_refused_where_it_is_written(make: Any, advice: str) -> None:
    with pytest.raises(StreamUsageError) as caught:
        make()
    assert advice in str(caught.value)


async def _items() -> Any:
    yield {}


CALLS: dict[str, Callable[..., Any]] = {
    "astream": lambda **how: astream(ScriptedModel(["hi"]), "hi", {"recursion_limit": 9}, **how),
    "stream": lambda **how: stream(ScriptedModel(["hi"]), "hi", **how),
    "adapt": lambda **how: adapt(_items(), **how),
    "with_sinks": lambda **how: with_sinks(ScriptedModel(["hi"]), RecordingSink(), **how),
    "StreamCallbackHandler": StreamCallbackHandler,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_misspelt_budget_is_answered(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="did you mean budget="):
        call(budgets=Budget(tokens=5))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_budget_is_answered(call: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"write (budget=)?Budget\(tokens=10_000\)"):
        call(budget=1000)


def test_a_quota_whose_key_needs_a_user_is_answered_before_the_run_starts() -> None:
    quota = Quota(Budget(tokens=5), lambda user, thread_id: user)  # type: ignore[arg-type, return-value]
    with pytest.raises(StreamUsageError, match="pass user= or thread_id= to the run"):
        astream(ScriptedModel(["hi"]), "hi", budget=quota)
