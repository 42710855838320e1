"""A bare model read by ``sse_bytes`` in the reader's own task ends as one in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_streamkit import AsyncRun, astream, sse_bytes
from langchain_streamkit.testing import ScriptedModel, Turn
from tests.runs.watching import WAIT_S, aeventually


class Playing(BaseChatModel):
    """A model whose stream is a function."""

    play: Callable[[], AsyncIterator[str]]

    @property
    def _llm_type(self) -> str:
        return "playing"

    def _generate(self, *given: Any, **more: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("unused"))])

    async def _astream(self, *given: Any, **more: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for text in self.play():
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))


def by_events(run: AsyncRun[Any]) -> Any:
    return run


def by_frames(run: AsyncRun[Any]) -> Any:
    return sse_bytes(run)


BOTH = pytest.mark.parametrize("read", [by_events, by_frames])


async def drained(read: Any, run: AsyncRun[Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        async for _ in read(run):
            pass


@BOTH
async def test_a_cancel_that_gets_lost_in_the_model_still_ends_the_run(read: Any) -> None:
    words: asyncio.Queue[str] = asyncio.Queue()

    async def play() -> AsyncIterator[str]:
        while True:  # before Python 3.12, wait_for takes the word and forgets the cancel
            yield await asyncio.wait_for(words.get(), WAIT_S)

    ends: list[str] = []
    run = astream(Playing(play=play), "hi", on_end=lambda end: ends.append(end.outcome))

    async def press() -> None:
        await aeventually(lambda: run.outcome == "running", "the run begins")
        words.put_nowait("one")
        await asyncio.sleep(0)
        await asyncio.wait_for(run.cancel(), WAIT_S)

    pressing = asyncio.create_task(press())
    await drained(read, run)
    await pressing
    assert (run.outcome, ends) == ("cancelled", ["cancelled"])


@BOTH
def test_a_loop_that_ends_after_a_break_ends_the_run(read: Any) -> None:
    ends: list[str] = []

    async def main() -> AsyncRun[Any]:
        model = ScriptedModel([Turn("a b c d e f", delay=0.01)])
        run = astream(model, "hi", on_end=lambda end: ends.append(end.outcome))
        seen = 0
        async for _ in read(run):
            seen += 1
            if seen == 4:
                break
        return run

    run = asyncio.run(main())
    assert (run.outcome, ends) == ("cancelled", ["cancelled"])


@BOTH
async def test_a_callback_inside_the_model_may_cancel_the_run_and_wait(read: Any) -> None:
    class Moderator(AsyncCallbackHandler):
        run_inline = True
        run: AsyncRun[Any]

        async def on_llm_new_token(self, token: Any, **given: Any) -> None:
            await self.run.cancel()

    handler = Moderator()
    model = ScriptedModel([Turn("a b c", delay=0.01)])
    run = handler.run = astream(model, "hi", {"callbacks": [handler]})
    await drained(read, run)
    assert run.outcome == "cancelled"


@BOTH
async def test_cancel_gives_up_on_a_model_that_swallows_it(read: Any) -> None:
    released = asyncio.Event()

    async def play() -> AsyncIterator[str]:
        yield "one"
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        yield "two"

    run = astream(Playing(play=play), "hi")
    reading = asyncio.create_task(drained(read, run))
    await aeventually(lambda: run.snapshot.live_text == "one", "the model speaks")
    await asyncio.wait_for(run.cancel(), WAIT_S)
    assert run.outcome == "cancelled"
    assert run.snapshot.pending
    released.set()
    await reading


@BOTH
async def test_a_model_that_cannot_name_itself_fails_the_run(read: Any) -> None:
    class Nameless(ScriptedModel):
        def _get_ls_params(self, *given: Any, **more: Any) -> Any:
            raise ValueError("no such deployment")

    ends: list[str] = []
    run = astream(Nameless(turns=[Turn("a")]), "hi", on_end=lambda end: ends.append(end.outcome))
    await drained(read, run)
    await asyncio.wait_for(run.aclose(), WAIT_S)
    assert (run.outcome, ends) == ("failed", ["failed"])
    with pytest.raises(ValueError, match="no such deployment"):
        await run.result()


class Unusual(BaseException):
    """Neither an exception nor a stop."""


@BOTH
@pytest.mark.parametrize(
    ("error", "outcome"), [(asyncio.CancelledError(), "cancelled"), (Unusual(), "failed")]
)
async def test_whatever_the_model_raises_is_the_runs_end_not_the_readers(
    read: Any, error: BaseException, outcome: str
) -> None:
    async def play() -> AsyncIterator[str]:
        yield "one"
        raise error

    run = astream(Playing(play=play), "hi")
    await drained(read, run)
    assert run.outcome == outcome
