"""A client for the demo, and a run over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.demo.demos import WAIT_S, Demo, Watched

Ask = Callable[..., AbstractAsyncContextManager[Watched]]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as made:
        yield made


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Ask:
    @asynccontextmanager
    async def ask(demo: Demo, text: str, **more: Any) -> AsyncIterator[Watched]:
        body = {"input": text, **more}
        async with client.stream("POST", f"{demo.url}/runs", json=body) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream"
            yield Watched(response)

    return ask
