"""Whatever a legal stream holds, AG-UI's client finds no rule broken, and nothing to warn of."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit.testing import assert_legal
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import AgUiRequest
from tests.conftest import CI
from tests.protocols.ag_ui.clients import validated
from tests.protocols.ag_ui.legal import Wild

if TYPE_CHECKING:
    from tests.protocols.ag_ui.clients import Client


def test_no_rule_is_broken_by_any_legal_stream(client: Client) -> None:
    @settings(max_examples=400 if CI else 60, deadline=None)
    @given(seed=st.integers(0, 1 << 32), length=st.integers(0, 80))
    def check(seed: int, length: int) -> None:
        events = Wild(random.Random(seed)).told(length)
        assert_legal(events)
        encoder = AgUiEncoder(AgUiRequest(thread_id="thread-1", run_id="asked"))
        frames = [frame for event in events for frame in encoder.encode(event)]
        validated(frames)
        ran = client.read(b"".join(frames))
        assert ran.failed is None
        assert len(ran.events) == len(frames)
        snapshot = ran.of("MESSAGES_SNAPSHOT")[-1]["messages"]
        assert [one["id"] for one in ran.messages] == [one["id"] for one in snapshot]
        assert b"secret" not in b"".join(frames)

    check()
