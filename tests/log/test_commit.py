"""Group commit: what waits together goes together, and never a stream twice at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from langchain_streamkit.log.commit import FULL, MOST_AT_ONCE, DirectCommit, GroupCommit, commit_for
from langchain_streamkit.log.contract import Added, Append, Claim
from langchain_streamkit.log.memory import MemoryStore
from tests.log.reading import lines

if TYPE_CHECKING:
    from collections.abc import Sequence


class Slow(MemoryStore):
    """A store whose batches are on their way until ``arrive``."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._gate = asyncio.Event()

    def arrive(self) -> None:
        self._gate.set()

    async def append(self, appends: Sequence[Append], /) -> list[Added]:
        self.batches.append([wish.name for wish in appends])
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await self._gate.wait()
        self._at_once -= 1
        return await super().append(appends)


def wishes(count: int) -> list[Append]:
    return [Append(f"run-{number}", "me", 1, lines(number)) for number in range(count)]


async def begun(commit: GroupCommit, some: Sequence[Append]) -> list[asyncio.Task[Added]]:
    tasks = [asyncio.create_task(commit.append(wish)) for wish in some]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_a_batch_is_on_its_way_goes_together_after_it() -> None:
    store = Slow()
    commit = GroupCommit(store)
    tasks = await begun(commit, wishes(1))
    tasks += await begun(commit, wishes(FULL)[1:])
    assert [len(batch) for batch in store.batches] == [1]
    store.arrive()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in store.batches] == [1, FULL - 1]


async def test_full_batches_go_at_once_up_to_a_limit() -> None:
    store = Slow()
    commit = GroupCommit(store)
    tasks = await begun(commit, wishes(FULL * (MOST_AT_ONCE + 2)))
    assert [len(batch) for batch in store.batches] == [FULL] * MOST_AT_ONCE
    store.arrive()
    await asyncio.gather(*tasks)
    assert store.most_at_once == MOST_AT_ONCE
    assert sum(map(len, store.batches)) == len(tasks)


async def test_stream_is_in_one_batch_at_a_time() -> None:
    store = Slow()
    commit = GroupCommit(store)
    some = wishes(FULL)
    tasks = await begun(commit, some)
    tasks += await begun(commit, [wish._replace(entries=()) for wish in some])
    tasks += await begun(commit, [wish._replace(owner="you") for wish in some])
    assert [len(batch) for batch in store.batches] == [FULL]
    store.arrive()
    await asyncio.gather(*tasks)
    assert all(len(set(batch)) == len(batch) for batch in store.batches)
    assert store.most_at_once == 1


async def test_append_whose_caller_was_cancelled_is_made_and_the_others_hear_of_it() -> None:
    store = Slow()
    commit = GroupCommit(store)
    first, *_ = tasks = await begun(commit, wishes(1) * 3)
    first.cancel()
    store.arrive()
    await asyncio.wait(tasks)
    assert first.cancelled()
    assert [task.result().status for task in tasks[1:]] == ["gone", "gone"]
    await commit.aclose()
    assert store.batches == [["run-0"]]


async def test_append_to_a_store_that_never_waits_is_done_before_anybody_else_runs() -> None:
    store = MemoryStore()
    commit = commit_for(store)
    assert isinstance(commit, DirectCommit)
    await store.claim(Claim("run-0", "me", "run-0", "0" * 8, False, 10_000, 10_000, 10))  # noqa: FBT003
    turned: list[int] = []
    asyncio.get_running_loop().call_soon(turned.append, 1)
    assert (await commit.append(wishes(1)[0])).status == "ok"
    assert not turned


async def test_others_get_their_turn_however_much_is_appended_to_a_store_that_never_waits() -> None:
    commit = commit_for(MemoryStore())
    turned: list[int] = []
    asyncio.get_running_loop().call_soon(turned.append, 1)
    for _ in range(100):
        await commit.append(wishes(1)[0])
    assert turned
