"""How long an event takes through a log, from the producer that says it to a reader that has it.

Each of many runs says a token at a steady rate, and each has one reader. ``python -m
benchmarks.delivering produce`` (or ``read``) is one side of it in a process of its own. An event
carries the time at which it was due, not that at which it was said: a producer that gets behind
its own rate does not hide it.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from langchain_streamkit.events import TextDelta
from langchain_streamkit.log import EventLog, open_log

if TYPE_CHECKING:
    from langchain_streamkit.log.writer import LogWriter

RATE: Final = 10
"""Tokens per second of each run."""
_OPENING: Final = 64
"""Runs that are opened at once."""


class Load(NamedTuple):
    """What is asked of the log."""

    runs: int
    tokens: int
    """Of each run."""


class Delivered(NamedTuple):
    """What came of it; times in ms, CPU in microseconds for each event."""

    sent: int
    received: int
    misplaced: int
    """Events that did not follow the one before: after a hole, or come twice."""
    p50: float
    p99: float
    producer_us: float
    reader_us: float
    """That of the one process, where there is only one."""


class _Read(NamedTuple):
    """What the readers have seen: ms of each event, and CPU microseconds for each."""

    took: list[float]
    misplaced: int
    cpu_us: float


async def deliver_in_one(url: str, load: Load) -> Delivered:
    """Producers and readers in this process."""
    async with open_log(url) as log:
        writers = await _open(log, load)
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def begin() -> None:
            begun.set_result(None)

        reading = asyncio.create_task(_read(log, load, begin))
        await begun
        cpu_us = await _produce(writers, load)
        return _delivered(load, cpu_us, await reading)


def deliver_between_two(url: str, load: Load) -> Delivered:
    """Producers in one process, readers in another."""
    with _process("produce", url, load) as producer, _process("read", url, load) as reader:
        _hear(producer)
        _tell(reader)
        _hear(reader)
        _tell(producer)
        read = _Read(**json.loads(_hear(reader)))
        return _delivered(load, json.loads(_hear(producer)), read)


def _delivered(load: Load, producer_us: float, read: _Read) -> Delivered:
    took = sorted(read.took)
    return Delivered(
        sent=load.runs * load.tokens,
        received=len(took),
        misplaced=read.misplaced,
        p50=took[len(took) // 2],
        p99=took[len(took) * 99 // 100],
        producer_us=producer_us,
        reader_us=read.cpu_us,
    )


def _names(load: Load) -> list[str]:
    return [f"run-{number}" for number in range(load.runs)]


async def _open(log: EventLog, load: Load) -> list[LogWriter]:
    names = _names(load)
    writers: list[LogWriter] = []
    for at in range(0, load.runs, _OPENING):
        writers += await asyncio.gather(*(log.open(name) for name in names[at : at + _OPENING]))
    return writers


async def _produce(writers: Sequence[LogWriter], load: Load) -> float:
    """Say everything; CPU microseconds for each event."""
    shifts = random.Random(1)
    begun = time.process_time()
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(_say(writer, load.tokens, shifts.random() / RATE))
    return (time.process_time() - begun) * 1e6 / (load.runs * load.tokens)


async def _say(writer: LogWriter, tokens: int, shift: float) -> None:
    begun = time.monotonic() + shift
    for number in range(tokens):
        due = begun + number / RATE
        await asyncio.sleep(due - time.monotonic())
        event = TextDelta(
            seq=number + 1,
            run_id=writer.run_id,
            ts=int(time.time() * 1000),
            path=("agent",),
            step_id="model",
            message_id="message",
            index=0,
            text=repr(due),
        )
        await writer.append([event.to_json()])
    await writer.finish()


async def _read(log: EventLog, load: Load, begin: Callable[[], Awaitable[None]]) -> _Read:
    """Read every run to its end; ``begin`` is called when all are read."""
    took: list[float] = []
    misplaced = 0

    async def follow(name: str) -> None:
        nonlocal misplaced
        last = 0
        async with aclosing(log.tail(name)) as tail:
            async for batch in tail:
                now = time.monotonic()
                for entry in batch:
                    misplaced += entry.position.seq != last + 1
                    last = entry.position.seq
                    event = entry.event()
                    assert event.type == "text.delta"
                    took.append((now - float(event.text)) * 1000)

    async with asyncio.TaskGroup() as group:
        for name in _names(load):
            group.create_task(follow(name))
        await asyncio.sleep(1)
        begun = time.process_time()
        await begin()
    return _Read(took, misplaced, (time.process_time() - begun) * 1e6 / max(1, len(took)))


# ---- processes -----------------------------------------------------------------------------------


def _process(side: str, url: str, load: Load) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.delivering", side, url, *map(str, load)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def _hear(process: subprocess.Popen[str]) -> str:
    line = _pipe(process.stdout).readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}")
    return line


def _tell(process: subprocess.Popen[str]) -> None:
    pipe = _pipe(process.stdin)
    pipe.write("go\n")
    pipe.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


async def _ready() -> None:
    print(flush=True)


async def _side(side: str, url: str, load: Load) -> None:
    async with open_log(url) as log:
        if side == "produce":
            writers = await _open(log, load)
            await _ready()
            sys.stdin.readline()
            print(await _produce(writers, load), flush=True)
        else:
            sys.stdin.readline()
            print(json.dumps((await _read(log, load, _ready))._asdict()), flush=True)


if __name__ == "__main__":
    _, side, url, runs, tokens = sys.argv
    asyncio.run(_side(side, url, Load(int(runs), int(tokens))))
