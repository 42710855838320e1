"""Whatever a run returns, and whatever goes wrong while its end is made, its stream ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from langchain_streamkit.sources.normaliser import Normaliser
from tests.runs.scenes import answering
from tests.runs.watching import by_astream, by_handler_ainvoke, by_stream, by_with_sinks_ainvoke

ROUTES = pytest.mark.parametrize(
    "route", [by_astream, by_stream, by_with_sinks_ainvoke, by_handler_ainvoke]
)


class Closed(list[Any]):
    """A list whose items cannot be read any more, as those of a closed database session."""

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("the session is closed")


def without_id(_: Any) -> AIMessage:
    message = AIMessage("calling")
    message.tool_calls.append({"name": "look", "args": {}})  # type: ignore[typeddict-item]
    return message


def unreadable(_: Any) -> dict[str, Any]:
    return {"rows": Closed([1])}


@pytest.mark.parametrize("make", [without_id, unreadable])
@pytest.mark.parametrize(
    "route", [by_astream, by_stream, by_with_sinks_ainvoke, by_handler_ainvoke]
)
async def test_an_output_that_cannot_be_gone_through_is_returned_all_the_same(
    route: Any, make: Any
) -> None:
    seen = await route(RunnableLambda(make), "hi")
    assert seen.end.type == "run.finished"
    assert seen.error is None
    assert type(seen.result) is type(make("hi"))


@pytest.mark.parametrize(
    "route", [by_astream, by_stream, by_with_sinks_ainvoke, by_handler_ainvoke]
)
async def test_an_error_of_ours_at_the_end_fails_the_stream_not_the_call(
    route: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Normaliser, "finish", broken)
    seen = await route(answering("Hello"), "hi")
    assert (seen.end.type, seen.end.error.code) == ("run.failed", "internal")
    assert seen.error is None
    assert seen.result.text == "Hello"
    assert "ZeroDivisionError" in caplog.text
