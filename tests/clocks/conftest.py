"""What the tests of clocks stand on."""

from __future__ import annotations

import pytest

from tests.clocks.turning import Hands


@pytest.fixture(autouse=True)
def _no_keepalive_options(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else langchain-openai warns where the environment names a proxy.
    monkeypatch.setenv("LANGCHAIN_OPENAI_TCP_KEEPALIVE", "0")


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The hands of every clock: time passes when the test turns them."""
    turned = Hands()
    monkeypatch.setattr("langchain_streamkit.runs.timed.monotonic", turned)
    monkeypatch.setattr("langchain_streamkit.runs.timed.Ticker", turned.ticker)
    return turned
