"""Real clients for the scripted provider, closed when the test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_streamkit.testing import ScriptedProvider

Sdk = Callable[[ScriptedProvider], openai.OpenAI]
AsyncSdk = Callable[[ScriptedProvider], openai.AsyncOpenAI]
Chat = Callable[..., ChatOpenAI]


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    clients: list[openai.OpenAI] = []

    def make(provider: ScriptedProvider) -> openai.OpenAI:
        clients.append(openai.OpenAI(base_url=provider.base_url, api_key="none", max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
async def async_sdk() -> AsyncIterator[AsyncSdk]:
    clients: list[openai.AsyncOpenAI] = []

    def make(provider: ScriptedProvider) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def chat() -> Chat:
    def make(provider: ScriptedProvider, **options: Any) -> ChatOpenAI:
        options = {"max_retries": 0, "stream_usage": True, **options}
        return ChatOpenAI(
            model="scripted", base_url=provider.base_url, api_key=SecretStr("none"), **options
        )

    return make
