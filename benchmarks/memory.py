"""What a reader costs that takes five events and sleeps, while four branches talk over each other.

``python -m benchmarks.memory ours TOKENS`` (or ``plain``) makes the run once in its own process
and prints, as JSON, the bytes that Python held at each tenth of it and after its end. The
difference of the two is what we hold for the reader: the chunks that LangChain keeps are in both.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.routes import SilentHandler
from benchmarks.workloads import Workload, parallel
from langchain_streamkit import astream

_READ_FIRST = 5
_MARKS = 10


class Sleep(NamedTuple):
    """What the sleeping reader cost, and whether it got everything when it woke."""

    tokens: int
    extra_bytes: int
    """The most that was held beyond the same run without us, at any mark."""
    text_arrived: bool


class _Printed(NamedTuple):
    """What a process says."""

    marks: list[int]
    arrived: bool


class _Held:
    """Bytes that Python holds, noted each time a tenth of the tokens has been said."""

    def __init__(self, tokens: int) -> None:
        self.marks: list[int] = []
        self._said = 0
        self._stride = max(1, tokens // _MARKS)

    def token(self) -> None:
        self._said += 1
        if self._said % self._stride == 0:
            self.note()

    def note(self) -> None:
        gc.collect()
        self.marks.append(tracemalloc.get_traced_memory()[0])


async def _plain(work: Workload, held: _Held) -> bool:
    result = await work.runnable.ainvoke(work.input, {"callbacks": [SilentHandler()]})
    held.note()  # with the result, which a run of ours holds as well
    return bool(result)


async def _ours(work: Workload, held: _Held) -> bool:
    """Whether all the text arrived."""
    ended = asyncio.Event()
    texts: defaultdict[str, list[str]] = defaultdict(list)
    run = astream(work.runnable, work.input, on_end=lambda _: ended.set())
    taken = 0
    async for event in run:
        if event.type == "text.delta":
            texts[event.message_id].append(event.text)
        taken += 1
        if taken == _READ_FIRST:
            await ended.wait()
            held.note()
    return Counter(work.answers) <= Counter("".join(parts) for parts in texts.values())


async def _run(who: str, tokens: int) -> None:
    watch = _ours if who == "ours" else _plain
    await watch(parallel(tokens // 100), _Held(tokens))  # imports, caches
    held = _Held(tokens)
    work = parallel(tokens, held.token)
    tracemalloc.start()
    arrived = await watch(work, held)
    print(json.dumps(_Printed(held.marks, arrived)._asdict()))


def measure_sleep(tokens: int) -> Sleep:
    """Make the run with and without us, each in its own process."""
    with ThreadPoolExecutor() as pool:  # both at once: nothing is timed here
        ours, plain = pool.map(_process, ("ours", "plain"), (tokens, tokens))
    pairs = zip(ours.marks, plain.marks, strict=True)
    return Sleep(tokens, max(one - other for one, other in pairs), ours.arrived)


def _process(who: str, tokens: int) -> _Printed:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", who, str(tokens)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return _Printed(**json.loads(done.stdout))


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
