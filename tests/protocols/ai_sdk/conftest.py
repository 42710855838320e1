"""The clients: Node.js processes that live as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.ai_sdk.clients import VERSIONS, Client


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"ai{version}")
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(request.param) as running:
        yield running
