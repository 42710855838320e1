"""Whatever breaks in our own code at the end of a run, the stream has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from langchain_streamkit import astream
from langchain_streamkit.sources.accounts import Accounts
from langchain_streamkit.testing import ScriptedModel

if TYPE_CHECKING:
    import pytest


async def test_a_run_whose_accounts_cannot_be_closed_ends_as_an_internal_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Accounts, ts: int) -> NoReturn:
        raise OverflowError("a number nobody thought of")

    monkeypatch.setattr(Accounts, "close", broken)
    events: list[Any] = [event async for event in astream(ScriptedModel(["Hello"]), "hi")]

    assert events[-1].type == "run.failed"
    assert events[-1].error.code == "internal"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
