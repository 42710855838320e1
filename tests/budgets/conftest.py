"""What the tests of budgets stand on."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_keepalive_options(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else langchain-openai warns where the environment names a proxy.
    monkeypatch.setenv("LANGCHAIN_OPENAI_TCP_KEEPALIVE", "0")
