"""What is no limit is refused where it is written, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit import Limits, StreamError, StreamUsageError
from langchain_streamkit.limits import opening, rates


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"Limits\(\) without a limit limits nothing; give one of runs_per_minute"),
        (
            {"concurrent_runs": 0},
            "concurrent_runs=0 is no number of runs; write concurrent_runs=10",
        ),
        ({"open_streams": True}, "open_streams=True is no number of streams"),
        ({"runs_per_minute": 1.5}, "runs_per_minute=1.5 is no number"),
        ({"run_per_minute": 5}, r"no option run_per_minute=; did you mean runs_per_minute=\?"),
        ({"tokens": 5}, r"no option tokens=; it takes runs_per_minute"),
        ({"open_streams": 1, "lease_s": 0.5}, "lease_s=0.5 is no number of seconds from 1 on"),
        ({"open_streams": 1, "lease_s": float("nan")}, "lease_s=nan is no number"),
        ({"open_streams": 1, "when_unavailable": "hope"}, "write 'refuse_runs', 'refuse' or"),
        ({"open_streams": 1, "url": "postgres://x"}, "url='postgres://x' is no URL of limits; "),
        ({"open_streams": 1, "url": 5}, "url=5 is no URL of limits; write url='memory://'"),
        ({"open_streams": 1, "url": "memory://x"}, "pass the limits around"),
        ({"open_streams": 1, "url": "redis://x/0?nonsense=1"}, "is no URL of a Redis server"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_to_write(given: Any, message: str) -> None:
    with pytest.raises(StreamUsageError, match=message):
        Limits(**given)


async def test_user_that_is_no_string_is_refused() -> None:
    wrong: Any = 7
    async with Limits(open_streams=1) as limits:
        with pytest.raises(StreamUsageError, match="user=7 is no string; write the user's id"):
            await limits.open_stream(wrong)


@pytest.mark.parametrize(
    ("module", "missing", "given", "extra"),
    [
        (rates, "limits", {"runs_per_minute": 1}, "serve"),
        (opening, "redis", {"open_streams": 1, "url": "redis://127.0.0.1"}, "redis"),
    ],
)
def test_missing_library_is_told_with_the_extra_that_brings_it(
    module: Any, missing: str, given: Any, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = module.importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name == missing else found(name)
    )
    with pytest.raises(StreamError, match=rf"langchain-streamkit\[{extra}\]"):
        Limits(**given)


def test_repr_shows_the_limits_that_are_set() -> None:
    assert repr(Limits(concurrent_runs=3, open_streams=9)) == (
        "Limits(concurrent_runs=3, open_streams=9)"
    )
