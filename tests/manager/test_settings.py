"""What a manager is made with: held for every run, or refused when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit import Budget, RunManager, StreamUsageError
from tests.manager.managers import read, speaker


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tiemout": 60}, r"RunManager\(\) has no option tiemout=; did you mean timeout=\?"),
        ({"timeout": "60s"}, "60s"),
        ({"tokens": "none"}, "tokens='none'"),
        ({"on_end": "save"}, "on_end is a str"),
        ({"thread_id": "1"}, r"RunManager\(\) has no option thread_id="),
        ({"limits": {"runs_per_minute": 5}}, r"write limits=Limits\(runs_per_minute=30\)"),
        ({"budget": 5}, r"write budget=Budget\(tokens=10_000\)"),
        ({"shutdown_grace_s": "10"}, "shutdown_grace_s='10' is no number of seconds"),
        ({"disconnect_grace_s": -1}, "disconnect_grace_s=-1 is no number of seconds"),
        ({"shutdown_grace_s": float("nan")}, "shutdown_grace_s=nan is no number of seconds"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_manager_that_cannot_work_is_refused_when_it_is_made(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(StreamUsageError, match=said):
        RunManager(**wrong)


@pytest.mark.parametrize("option", ["budget", "quotas"])
async def test_budget_of_the_manager_is_held_by_each_of_its_runs(option: str) -> None:
    limits: dict[str, Any] = {option: Budget(output_tokens=1)}
    async with RunManager(**limits) as manager:
        for _ in range(2):
            last = (await read(manager, await manager.start(speaker(), "hi")))[-1]
            assert (last.type, getattr(last, "reason", "")) == ("run.cancelled", "budget")


async def test_budget_of_one_run_is_held_beside_that_of_the_manager() -> None:
    async with RunManager(budget=Budget(output_tokens=1)) as manager:
        run_id = await manager.start(speaker(), "hi", budget=Budget(model_calls=9))
        assert (await read(manager, run_id))[-1].type == "run.cancelled"
