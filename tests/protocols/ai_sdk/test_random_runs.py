"""Random chains and graphs, whole or stopped: the AI SDK shows what each of them came to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_streamkit import RunSnapshot
from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from tests.lengths import examples
from tests.protocols.ai_sdk.apps import serving_bytes
from tests.protocols.ai_sdk.shown import by_client, by_snapshot
from tests.scenarios.random_building import Built
from tests.scenarios.random_examples import roots
from tests.scenarios.random_watching import left_sync, watched_sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit.events import Event
    from tests.protocols.ai_sdk.apps import Bytes
    from tests.protocols.ai_sdk.clients import Client

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def server() -> Iterator[Bytes]:
    with serving_bytes() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "langchain_streamkit")


def encoded(events: Sequence[Event], version: Any) -> list[bytes]:
    encoder = AiSdkEncoder(sdk_version=version)
    return [encoder.opening(), *(frame for event in events for frame in encoder.encode(event))]


def test_random_runs_are_shown_as_they_ended(clients: dict[int, Client], server: Bytes) -> None:
    unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(max_examples=examples(60), suppress_health_check=unhurried)
    @given(
        root=roots(fault=True),
        after=st.none() | st.integers(1, 40),
        read_by=st.sampled_from([(None, 5), (None, 6), (None, 7), (5, 5), (6, 6), (7, 7)]),
        size=st.sampled_from([1, 7, 1 << 16]),
        cut=st.integers(0, 200),
    )
    def check(root: Any, after: int | None, read_by: Any, size: int, cut: int) -> None:
        version, reader = read_by
        built = Built(root, plain_only=True)
        if after is None:
            events = watched_sync(root, built, "events").events
        else:
            events = left_sync(root, built, "cancel", after).events
        frames = encoded(events, version)
        assert encoded(events, version) == frames
        sent = encoded(events[:cut], version)
        assert frames[: len(sent)] == sent
        server.body, server.size = b"".join(frames), size
        chat = clients[reader].chat(server.url, automatically=["outputs", "approvals"])
        snapshot = RunSnapshot.from_events(events)
        assert by_client(chat.answer) == by_snapshot(snapshot)
        assert len(chat.requests) == 1
        assert chat.status == ("error" if snapshot.outcome == "failed" else "ready")

    check()


def test_stream_that_breaks_off_is_an_error_and_closes_what_is_open(
    client: Client, server: Bytes
) -> None:
    """At any place, so in the middle of a text, of arguments, of a tool, of a step."""
    from tests.scenarios.kinds import KINDS

    for name in ("agent", "model", "branches"):
        kind = KINDS[name]
        events = list(_events(kind.make(), kind.input))
        for place in range(1, len(events)):
            encoder = AiSdkEncoder(sdk_version=client.version)  # type: ignore[arg-type]
            frames = [frame for event in events[:place] for frame in encoder.encode(event)]
            frames += encoder.broken_off("producer_lost", "Whoever made the run is gone.")
            assert encoder.broken_off("producer_lost", "once more") == []
            assert encoder.encode(events[place]) == []
            server.body, server.size = b"".join(frames), 1 << 16
            chat = client.chat(server.url)
            assert (chat.status, chat.error) == ("error", "Whoever made the run is gone.")
            states = {part.get("state") for part in chat.answer["parts"]}
            assert states <= {None, "done", "output-available", "output-error"}


def _events(runnable: Any, value: Any) -> Iterator[Event]:
    from langchain_streamkit import stream

    yield from stream(runnable, value)
