"""Plain code: the provider sees each answer left at the token that is too much."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableParallel
from openai import OpenAI

from langchain_streamkit import adapt
from langchain_streamkit.testing import RecordingSink, scripted_provider
from tests.budgets.served import (
    ALLOWED,
    SEEN_WITHIN_S,
    SYNC_ROUTES,
    SYNC_WORKS,
    Silent,
    Together,
    Work,
    assert_stopped,
    assert_told,
    by_route_sync,
    model_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE = [name for name in SYNC_WORKS if name != "fan"]
EVERY_WORK = ("stream", "with_sinks_invoke", "handler_invoke")
TWO_WORKS = ("model", "graph")


def cases() -> Iterator[tuple[str, str]]:
    yield from itertools.product(EVERY_WORK, ALONE)
    yield from itertools.product(SYNC_ROUTES.keys() - set(EVERY_WORK), TWO_WORKS)


@pytest.mark.parametrize(("route", "work"), sorted(cases()))
def test_a_stop_closes_the_connection_at_the_token_that_is_too_much(route: str, work: str) -> None:
    silent = Silent()
    with scripted_provider(silent) as provider:
        seen = by_route_sync(SYNC_ROUTES[route], SYNC_WORKS[work](model_of(provider)))
        assert_stopped(provider, silent, seen)


@pytest.mark.parametrize("work", ["model", "chain", "graph"])
@pytest.mark.parametrize("route", ["stream", "handler_invoke"])
def test_the_connection_is_closed_within_100_ms(route: str, work: str) -> None:
    took: list[float] = []
    for _ in range(3):  # a machine that is busy elsewhere is not what is measured
        silent = Silent(pause=0.03)
        with scripted_provider(silent) as provider:
            by_route_sync(SYNC_ROUTES[route], SYNC_WORKS[work](model_of(provider)))
            left = provider.requests[-1].wait_disconnected()
        took.append(left - (silent.moments[-1].reached or 0.0))
        if took[-1] < SEEN_WITHIN_S:
            return
    pytest.fail(f"seconds: {took}")


@pytest.mark.parametrize("route", ["stream", "with_sinks_stream", "handler_batch"])
def test_parallel_answers_get_at_most_one_chunk_more_each(route: str) -> None:
    with scripted_provider(Together()) as provider:
        seen = by_route_sync(SYNC_ROUTES[route], SYNC_WORKS["fan"](model_of(provider)))
        assert len(provider.requests) == 2
        for request in provider.requests:
            request.wait_disconnected()
        assert sum(request.chunks_sent for request in provider.requests) <= ALLOWED + 2
        assert_told(seen)


@pytest.mark.parametrize("route", ["stream", "with_sinks_invoke", "handler_invoke"])
def test_branches_of_a_chain_are_left_in_their_threads(route: str) -> None:
    with scripted_provider(Together()) as provider:
        model = model_of(provider)
        both = RunnableParallel(a=model, b=model)
        seen = by_route_sync(SYNC_ROUTES[route], Work(both, "hi"))
        for request in provider.requests:
            request.wait_disconnected()
        assert sum(request.chunks_sent for request in provider.requests) <= ALLOWED + 2
        assert_told(seen)


def test_an_adapted_stream_of_the_sdk_is_closed() -> None:
    silent = Silent()
    with (
        scripted_provider(silent) as provider,
        OpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as client,
    ):

        def call(_: Work, sink: RecordingSink, **how: Any) -> Any:
            source = client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            return adapt(source, sinks=[sink], **how).result()

        assert_stopped(provider, silent, by_route_sync(call, Work(None, None)))
