"""The client: a Node.js process that lives as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.ag_ui.clients import Client


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    with Client() as running:
        yield running
