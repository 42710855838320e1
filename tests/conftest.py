"""What every test stands on: no network, no surprise from the environment, honest skips."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Iterator
from typing import Any, TypeVar

import hypothesis
import pytest
import uvicorn.server
from langchain_openai.chat_models import _client_utils

T = TypeVar("T")

CI = os.environ.get("CI") == "true"

# Timing on a shared machine is no fact about the code, so no deadline. CI is repeatable; everyone
# else looks for new examples, and prints how to get a failing one again.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("local", deadline=None, print_blob=True)
hypothesis.settings.load_profile("ci" if CI else "local")

# A developer's own settings would send traces away, or turn the scripted provider into a real one.
FOREIGN = ("LANGCHAIN_", "LANGGRAPH_", "LANGSMITH_", "OPENAI_")


def require(found: T | None, name: str, install: str) -> T:
    """Return ``found``, the counterpart ``name`` of a test; where it is missing, skip or fail.

    ``install`` is the command that installs it, and is shown either way. With ``CI=true`` a
    missing counterpart fails the test: CI installs all of them, so a skip there would be a hole.
    """
    if found is not None:
        return found
    message = f"{name} is missing; install it with: {install}"
    if CI:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(autouse=True, scope="session")
def _no_foreign_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(FOREIGN)]:
            patch.delenv(name)
        # Our test servers are on this machine, whatever proxy the environment names.
        patch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")
        patch.setenv("no_proxy", "127.0.0.1,localhost,::1")
        # None of them speaks TLS: every client would read all authorities there are, for 40 ms.
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no-authorities")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _clients_are_kept() -> None:
    """LangChain keeps the HTTP clients of the 128 last servers, and each of our tests has a server
    of its own: a client that is dropped after its loop leaves its sockets to the garbage collector,
    which warns of them in the middle of another test.
    """
    for name in ("_cached_sync_httpx_client", "_cached_async_httpx_client"):
        cached = getattr(_client_utils, name)
        setattr(_client_utils, name, functools.cache(cached.__wrapped__))


class _BriskAsyncio:
    """``asyncio`` as uvicorn's server sees it: with pauses of a few milliseconds."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(min(delay, 0.005))


@pytest.fixture(autouse=True, scope="session")
def _servers_end_at_once() -> Iterator[None]:
    """uvicorn looks ten times a second whether to end, and then pauses as long: minutes, for the
    hundreds of servers of these tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _BriskAsyncio())
        yield
