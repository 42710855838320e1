"""The JavaScript client: a process that lives as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.langgraph.clients import Node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    with Node() as running:
        yield running
