"""Waits between connections are cut short: the tests that are about them ask for them."""

from __future__ import annotations

import pytest

from langchain_streamkit.client import backoff


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each wait might have been, in seconds."""
    asked: list[float] = []

    def uniform(low: float, high: float) -> float:
        asked.append(high)
        return 0.001

    monkeypatch.setattr(backoff, "uniform", uniform)
    return asked
