"""What AG-UI's client assembles of each kind of run is what the run came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.protocols.ag_ui.apps import served
from tests.protocols.ag_ui.shown import by_client, by_snapshot
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from tests.protocols.ag_ui.clients import Client


@pytest.mark.parametrize("name", KINDS)
def test_client_shows_what_the_snapshot_says(name: str, client: Client) -> None:
    kind = KINDS[name]
    with served(kind.make(), value=kind.input, thread=kind.thread_id is not None) as server:
        ran = client.run(server.url)
        assert by_client(ran, sent=["u0"]) == by_snapshot(server.snapshot)
    assert ran.messages[0] == {"id": "u0", "role": "user", "content": "hi"}
    begin = ran.events[0]
    assert (begin["type"], begin["threadId"]) == ("RUN_STARTED", "thread-1")
    assert begin["runId"] == server.requests[0].run_id
