"""What cannot be meant is answered before anything starts, with what to write instead."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import (
    RunTimeout,
    StreamCallbackHandler,
    StreamUsageError,
    Timeout,
    adapt,
    astream,
    stream,
    with_sinks,
)
from langchain_streamkit.failures import classify
from langchain_streamkit.testing import RecordingSink, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable

clock: Any = Timeout
"""Of no type: checkers would refuse the calls below."""

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no clock": (Timeout, "give one of total, first_token, idle"),
    "without a name": (lambda: clock(5), "write Timeout(total=...)"),
    "unknown": (lambda: clock(first=5), "did you mean first_token="),
    "far off": (lambda: clock(x=5), "it takes total, first_token"),
    "zero": (lambda: clock(idle=0), "write seconds above 0, or leave idle out"),
    "below zero": (lambda: clock(total=-1), "write seconds above 0"),
    "endless": (lambda: clock(total=float("inf")), "or leave total out"),
    "no number at all": (lambda: clock(total=float("nan")), "write seconds above 0"),
    "text": (lambda: clock(total="60"), "write Timeout(total=60)"),
    "true": (lambda: clock(total=True), "write Timeout(total=60)"),
    "timedelta": (
        lambda: clock(idle=dt.timedelta(seconds=5)),
        "write Timeout(idle=60)",
    ),
}


@pytest.mark.parametrize(("make", "advice"), WRONG.values(), ids=WRONG)
def test_a_clock_that_means_nothing_is_refused_where_it_is_written(make: Any, advice: str) -> None:
    with pytest.raises(StreamUsageError) as caught:
        make()
    assert advice in str(caught.value)


async def _items() -> Any:
    yield {}


CALLS: dict[str, Callable[..., Any]] = {
    "astream": lambda **how: astream(ScriptedModel(["hi"]), "hi", **how),
    "stream": lambda **how: stream(ScriptedModel(["hi"]), "hi", **how),
    "adapt": lambda **how: adapt(_items(), **how),
    "with_sinks": lambda **how: with_sinks(ScriptedModel(["hi"]), RecordingSink(), **how),
    "StreamCallbackHandler": StreamCallbackHandler,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_misspelt_timeout_is_answered(call: Any) -> None:
    with pytest.raises(StreamUsageError, match="did you mean timeout="):
        call(timeouts=60)


@pytest.mark.parametrize("wrong", ["60", True, (1, 2), dt.timedelta(seconds=5)])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_timeout_is_answered(call: Any, wrong: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"write timeout=60, or timeout=Timeout\("):
        call(timeout=wrong)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("timeout", [60, 0.5, Timeout(idle=5), None])
def test_seconds_and_a_timeout_are_taken_everywhere(call: Any, timeout: Any) -> None:
    call(timeout=timeout)


def test_a_timeout_cannot_be_changed_and_is_equal_to_its_like() -> None:
    timeout: Any = Timeout(total=60, idle=5)
    with pytest.raises(AttributeError):
        timeout.total = 5
    assert timeout == Timeout(total=60.0, idle=5)
    assert hash(timeout) == hash(Timeout(total=60, idle=5))
    assert pickle.loads(pickle.dumps(timeout)) == timeout


def test_run_timeout_is_caught_as_a_timeout_error_of_python() -> None:
    error = RunTimeout("too long", kind="idle", run_id="1")
    assert isinstance(error, TimeoutError)
    assert str(error) == "too long"


@pytest.mark.parametrize("kind", ["total", "first_token", "idle"])
def test_every_clock_has_a_code_of_its_own_that_may_be_tried_again(kind: Any) -> None:
    failure = classify(RunTimeout("too long", kind=kind, run_id="1"))
    assert (failure.code, failure.retryable) == (f"timeout.{kind}", True)
