"""A quota holds several runs together: at once, one after the other, and until its window ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import (
    Budget,
    BudgetExceeded,
    Quota,
    StreamCallbackHandler,
    StreamUsageError,
    astream,
    stream,
    with_sinks,
)
from langchain_streamkit.testing import RecordingSink, Turn, assert_legal, scripted_provider
from langchain_streamkit.tokens.quota import QuotaStoreError
from langchain_streamkit.tokens.quota_store import MemoryQuotaStore
from tests.budgets.served import model_of, talking, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.tokens.spending import Spent


class TurnedClock(MemoryQuotaStore):
    """A store whose clock is turned by hand."""

    def __init__(self) -> None:
        super().__init__(lambda: self.seconds)
        self.seconds = 1_000_000.0


class Broken(MemoryQuotaStore):
    """A store that cannot be reached any more."""

    def add(self, key: str, window_start: int, window_s: int, spent: Spent) -> Spent:
        raise ConnectionError("no store")


def of_user(user: str | None, thread_id: str | None) -> str:
    return user or "nobody"


async def test_two_runs_of_a_user_at_once_share_it_and_another_user_is_free() -> None:
    quota = Quota(Budget(output_tokens=10), of_user)

    def answer(body: Any) -> Turn:
        return Turn(words(6)) if body["messages"][-1]["content"] == "short" else talking(body)

    async with scripted_provider(answer) as provider:
        model = model_of(provider)
        runs = [astream(model, "hi", user="ann", budget=quota) for _ in range(2)]
        free = astream(model, "short", user="bob", budget=quota)
        ends = await asyncio.gather(
            *(run.result() for run in (*runs, free)), return_exceptions=True
        )
        for request in provider.requests:
            if request.body["messages"][-1]["content"] == "hi":
                await request.await_disconnected()
        sent = [r.chunks_sent for r in provider.requests if r.disconnected.is_set()]
    assert [type(end).__name__ for end in ends] == ["BudgetExceeded", "BudgetExceeded", "AIMessage"]
    assert sum(sent) <= 10 + 2
    assert 10 < quota.spent("ann").output_tokens <= 12
    assert quota.spent("bob").output_tokens == 6


def test_an_exhausted_quota_refuses_the_first_request_and_says_when_it_resets() -> None:
    store = TurnedClock()
    quota = Quota(Budget(model_calls=1), of_user, window="1h", store=store)
    with scripted_provider(["first", "in the next window"]) as provider:
        model = model_of(provider)
        assert stream(model, "hi", user="ann", budget=quota).result().text == "first"
        run = stream(model, "hi", user="ann", budget=quota)
        with pytest.raises(BudgetExceeded, match="which ends at 1970-01-12T14:00:00Z") as caught:
            run.result()
        assert caught.value.resets_at == datetime(1970, 1, 12, 14, tzinfo=UTC)
        assert len(provider.requests) == 1
        store.seconds += 3600
        run = stream(model, "hi", user="ann", budget=quota)
        assert run.result().text == "in the next window"


def _by_handler(model: Any, quota: Quota, user: str | None) -> Any:
    handler = StreamCallbackHandler(RecordingSink(), user=user, budget=quota)
    return model.invoke("hi", {"callbacks": [handler]})


def _by_with_sinks(model: Any, quota: Quota, user: str | None) -> Any:
    return with_sinks(model, RecordingSink(), user=user, budget=quota).invoke("hi")


def _by_stream(model: Any, quota: Quota, user: str | None) -> Any:
    return stream(model, "hi", user=user, budget=quota).result()


WAYS = {"handler": _by_handler, "with_sinks": _by_with_sinks, "stream": _by_stream}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_call_spends_from_the_quota_of_its_user(way: Any) -> None:
    quota = Quota(Budget(model_calls=1), of_user)
    with scripted_provider(["for ann", "for bob"]) as provider:
        model = model_of(provider)
        way(model, quota, "ann")
        with pytest.raises(BudgetExceeded):
            way(model, quota, "ann")
        way(model, quota, "bob")
        assert len(provider.requests) == 2


def _raises(user: str | None, thread_id: str | None) -> str:
    raise KeyError("tenant")


KEYS: dict[str, Callable[..., Any]] = {
    "raises": _raises,
    "gives None": lambda user, thread_id: user,
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_key_that_does_not_say_whose_it_is_lets_no_request_through(way: Any, key: Any) -> None:
    with scripted_provider(["never asked"]) as provider:
        with pytest.raises(StreamUsageError, match="return a string for every run"):
            way(model_of(provider), Quota(Budget(tokens=10_000), key), None)
        assert not provider.requests


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_store_that_fails_lets_no_request_through(way: Any) -> None:
    quota = Quota(Budget(tokens=10_000), of_user, store=Broken())
    with scripted_provider(["never asked"]) as provider:
        with pytest.raises(QuotaStoreError, match="no store"):
            way(model_of(provider), quota, "ann")
        assert not provider.requests


def test_a_run_whose_store_fails_ends_as_failed() -> None:
    quota = Quota(Budget(tokens=10_000), of_user, store=Broken())
    sink = RecordingSink()
    with scripted_provider(["never asked"]) as provider:
        config: Any = {"callbacks": [StreamCallbackHandler(sink, budget=quota)]}
        with pytest.raises(QuotaStoreError):
            model_of(provider).invoke("hi", config)
    assert_legal(sink.events)
    assert sink.events[-1].type == "run.failed"
