"""The clients: Node.js processes that live as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.protocols.ai_sdk.clients import VERSIONS, Client


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[int, Client]]:
    with ExitStack() as stack:
        yield {version: stack.enter_context(Client(version)) for version in VERSIONS}


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"ai{version}")
def client(request: pytest.FixtureRequest, clients: dict[int, Client]) -> Client:
    return clients[request.param]
