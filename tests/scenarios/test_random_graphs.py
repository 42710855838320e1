"""Random chains and graphs: every stream is legal, and watching changes nothing.

``EXAMPLES`` of each of the tests below are drawn; a test fails when there were fewer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from langchain_streamkit import RunSnapshot
from langchain_streamkit.testing import assert_legal
from tests.conftest import CI
from tests.scenarios.random_building import Built
from tests.scenarios.random_examples import HALVES, roots
from tests.scenarios.random_graphs import Graph, OldSay, Root, Say, Speak
from tests.scenarios.random_watching import (
    OUTCOMES,
    AsyncRoute,
    Cancelled,
    Leaving,
    Seen,
    SyncRoute,
    cancelled_outside,
    left,
    left_sync,
    unwatched,
    unwatched_sync,
    watched,
    watched_sync,
)

EXAMPLES = 300 if CI else 30
"""For each test, of which there are seven: more than 2,000 in CI."""
MOMENTS = st.integers(1, 40)
"""After how many events a run is stopped."""
WAIT_S = 20.0
"""Longer than anything takes that works; what hangs fails here."""

pytestmark = pytest.mark.timeout(900)  # hundreds of runs in one test


@pytest.fixture(scope="module")
def loop() -> Iterator[Callable[[Any], Any]]:
    """Runs a coroutine in the one event loop of all examples, and waits for what outlives it."""

    async def to_the_end(call: Any) -> Any:
        threads = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(threads)
        try:
            return await asyncio.wait_for(call, WAIT_S)
        finally:
            # Else they disturb the next example: LangGraph draws ids from `random`, so does
            # Hypothesis.
            if orphans := asyncio.all_tasks() - {asyncio.current_task()}:
                _, running = await asyncio.wait(orphans, timeout=WAIT_S)
                assert not running
            threads.shutdown()

    with asyncio.Runner() as runner:
        yield lambda call: runner.run(to_the_end(call))


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep the tracebacks of a thousand failures that were meant out of a report."""
    caplog.set_level(logging.CRITICAL, "langchain_streamkit")


def on_each(check: Callable[..., None], **drawn: st.SearchStrategy[Any]) -> None:
    """Run ``check`` on ``EXAMPLES`` examples at least."""
    count = 0

    @functools.wraps(check)
    def counted(*example: Any, **named: Any) -> None:
        nonlocal count
        check(*example, **named)
        count += 1

    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings(max_examples=EXAMPLES, suppress_health_check=unhurried)(given(**drawn)(counted))()
    assert count >= EXAMPLES


def assert_whole(seen: Seen, built: Built, *, sound: bool) -> None:
    """A legal stream with one end that fits the outcome, and every word that was said in it."""
    assert_legal(seen.events)
    snapshot = RunSnapshot.from_events(seen.events)
    assert snapshot.outcome == OUTCOMES[seen.end.type]
    if seen.outcome[0] != "CancelledError":
        succeeded = snapshot.outcome in ("finished", "interrupted")
        assert succeeded == (seen.outcome[0] == "result")
    for message in snapshot.messages:
        joined = "".join(
            event.text
            for event in seen.events
            if event.type == "text.delta" and event.message_id == message.message_id
        )
        assert message.text == joined
    if not sound:
        return
    assert snapshot.outcome == "finished"
    told = Counter(message.text for message in snapshot.messages)
    said = Counter(map(joined_halves, built.spoken + built.canned))
    assert told >= said
    assert told - said <= Counter(map(joined_halves, built.stored))


def joined_halves(text: str) -> str:
    """Text as it leaves the process: halves of a character that came apart are one again."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize("sound", [True, False], ids=["sound", "faulty"])
def test_async_runs_are_whole_and_end_as_without_us(
    loop: Callable[[Any], Any], *, sound: bool
) -> None:
    def check(root: Root, route: AsyncRoute) -> None:
        built = Built(root, plain_only=False)
        seen = loop(watched(root, built, route))
        assert_whole(seen, built, sound=sound)
        assert seen.outcome == loop(unwatched(root))

    on_each(check, root=roots(fault=not sound), route=st.sampled_from(get_args(AsyncRoute)))


@pytest.mark.parametrize("sound", [True, False], ids=["sound", "faulty"])
def test_plain_runs_are_whole_and_end_as_without_us(*, sound: bool) -> None:
    def check(root: Root, route: SyncRoute) -> None:
        built = Built(root, plain_only=True)
        seen = watched_sync(root, built, route)
        assert_whole(seen, built, sound=sound)
        assert seen.outcome == unwatched_sync(root)

    on_each(check, root=roots(fault=not sound), route=st.sampled_from(get_args(SyncRoute)))


def assert_stopped(seen: Seen, unwatched: Callable[[], Any]) -> None:
    """Cancelled if it was stopped in time, else ended as it would have without us."""
    if seen.outcome[0] == "CancelledError":
        # of the caller's task, which may hit it after the run has ended
        assert seen.stopped
    elif seen.end.type == "run.cancelled":
        assert seen.stopped
        assert seen.outcome[0] == "RunCancelled"
        assert seen.end.reason == "user"
    else:
        assert seen.outcome == unwatched()


def test_async_runs_that_are_left_are_whole(loop: Callable[[Any], Any]) -> None:
    def check(root: Root, leaving: Leaving, after: int) -> None:
        built = Built(root, plain_only=False)
        seen = loop(left(root, built, leaving, after))
        assert_whole(seen, built, sound=False)
        assert_stopped(seen, lambda: loop(unwatched(root)))

    on_each(
        check, root=roots(fault=True), leaving=st.sampled_from(get_args(Leaving)), after=MOMENTS
    )


def test_async_runs_that_are_cancelled_from_outside_are_whole(loop: Callable[[Any], Any]) -> None:
    def check(root: Root, route: Cancelled, after: int) -> None:
        # LangChain ends no callbacks of a cancelled model, so a handler on one hears of no end.
        assume(route != "handler" or not isinstance(root, Say | OldSay))
        built = Built(root, plain_only=False)
        seen = loop(cancelled_outside(root, built, route, after))
        assert_whole(seen, built, sound=False)
        assert_stopped(seen, lambda: loop(unwatched(root)))

    on_each(
        check, root=roots(fault=True), route=st.sampled_from(get_args(Cancelled)), after=MOMENTS
    )


def test_plain_runs_that_are_left_are_whole() -> None:
    def check(root: Root, leaving: Leaving, after: int) -> None:
        built = Built(root, plain_only=True)
        seen = left_sync(root, built, leaving, after)
        assert_whole(seen, built, sound=False)
        assert_stopped(seen, lambda: unwatched_sync(root))

    leavings = st.sampled_from(["cancel", "context"])
    on_each(check, root=roots(fault=True), leaving=leavings, after=MOMENTS)


def test_a_message_made_anew_of_text_that_came_in_halves_is_told_once(
    loop: Callable[[Any], Any],
) -> None:
    """Found by the tests above: what was said was compared after joining, what was stored raw."""
    root = Graph("line", (Speak(Say(HALVES), "plain", anew=True),))
    built = Built(root, plain_only=False)
    assert_whole(loop(watched(root, built, "events")), built, sound=True)
