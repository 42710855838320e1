"""Who counts as a reader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.log import open_log
from langchain_streamkit.manager.presence import Presence


@pytest.mark.parametrize("wrong", [LogUnavailable("away"), asyncio.CancelledError()], ids=repr)
def test_reader_that_could_not_be_counted_is_none(
    wrong: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with open_log("memory://") as log:
            presence = Presence(log, "cancel", 0.0)
            there = log.store.attend

            async def away(*args: Any) -> int:
                raise wrong

            monkeypatch.setattr(log.store, "attend", away)
            with pytest.raises(type(wrong)):
                await presence.enter("run")
            assert not len(presence)
            monkeypatch.setattr(log.store, "attend", there)
            await presence.enter("run")
            assert len(presence) == 1
            await presence.aclose()

    asyncio.run(main())
