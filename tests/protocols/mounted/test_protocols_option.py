"""Which protocols a router serves."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit import StreamUsageError, streamkit_router
from tests.scenarios.told import says
from tests.serving.apps import served

PATHS = {
    "native": "/runs",
    "ai-sdk": "/api/chat",
    "ag-ui": "/ag-ui",
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
}


@pytest.mark.parametrize("protocol", PATHS)
def test_router_serves_only_the_protocols_it_is_given(protocol: Any) -> None:
    with served(says("x"), protocols=[protocol]) as client:
        found = {name for name, path in PATHS.items() if client.post(path).status_code != 404}
        assert client.get("/health").status_code == 200
    assert found == {protocol}


def test_router_serves_all_by_default() -> None:
    with served(says("x")) as client:
        assert all(client.post(path).status_code != 404 for path in PATHS.values())


@pytest.mark.parametrize("protocols", [["ai"], "ai", [3]])
def test_unknown_protocol_is_refused_with_the_names(protocols: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"unknown one.*'native', 'ai-sdk'"):
        streamkit_router(says("x"), protocols=protocols)


def test_no_protocol_at_all_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="serves nothing"):
        streamkit_router(says("x"), protocols=[])


def test_unknown_version_of_the_ai_sdk_is_refused() -> None:
    with pytest.raises(StreamUsageError, match="sdk_version=4"):
        streamkit_router(says("x"), sdk_version=4)  # type: ignore[arg-type]
