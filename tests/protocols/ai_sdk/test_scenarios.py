"""What the AI SDK's client assembles of each kind of run is what the run came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.protocols.ai_sdk.apps import served
from tests.protocols.ai_sdk.shown import by_client, by_snapshot
from tests.scenarios.kinds import KINDS

if TYPE_CHECKING:
    from tests.protocols.ai_sdk.clients import Client


@pytest.mark.parametrize("own", [False, True], ids=["any version", "its version"])
@pytest.mark.parametrize("name", KINDS)
def test_client_shows_what_the_snapshot_says(name: str, client: Client, *, own: bool) -> None:
    kind = KINDS[name]
    version: Any = client.version if own else None
    with served(
        kind.make(), value=kind.input, version=version, thread=kind.thread_id is not None
    ) as server:
        chat = client.chat(server.url)
        assert by_client(chat.answer) == by_snapshot(server.snapshot)
        error = server.snapshot.error
        assert chat.status == ("ready" if error is None else "error")
        assert chat.error == (None if error is None else error.message)
