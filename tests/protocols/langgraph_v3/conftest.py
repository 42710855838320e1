"""The JavaScript client: a Node.js process that lives as long as the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.langgraph_v3.clients import TRANSPORTS, JsClient


@pytest.fixture(scope="session")
def js() -> Iterator[JsClient]:
    with JsClient() as client:
        yield client


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)
