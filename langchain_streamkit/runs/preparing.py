"""What a run needs that takes long to load, once in a process: vocabularies and prices.

Guarantees: where an event loop runs, it is loaded in another thread before the call is made, so
that counting never blocks the loop; afterwards this costs a look-up.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseLanguageModel

from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.tokens.message_meter import ENCODINGS, FOR_ANY, encoding_of
from langchain_streamkit.tokens.prices import known_prices, load_prices
from langchain_streamkit.tokens.vocabularies import load_encoding, loaded_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.source_plan import SourcePlan
    from langchain_streamkit.tokens.patterns import EncodingName


async def prepare(plan: Plan | SourcePlan) -> None:
    """Load what the run will need, in threads."""
    for load in _loads(plan):
        await asyncio.to_thread(load)


def prepare_sync(plan: Plan | SourcePlan) -> None:
    """Load what the run will need."""
    for load in _loads(plan):
        load()


def _loads(plan: Plan | SourcePlan) -> list[Callable[[], object]]:
    """What is not loaded yet."""
    loads: list[Callable[[], object]] = []
    if plan.options.tokens == "exact" or plan.options.budget:
        loads += [
            functools.partial(load_encoding, name)
            for name in _encodings(plan)
            if loaded_encoding(name) is None
        ]
    if known_prices() is not None and "genai_prices" not in sys.modules:
        loads.append(load_prices)
    return loads


def _encodings(plan: Plan | SourcePlan) -> tuple[EncodingName, ...]:
    """That of the model if it is known now; else all that models have."""
    if plan.route == "source":
        return ENCODINGS
    model = unwrapped(plan.runnable)
    if not isinstance(model, BaseLanguageModel):
        return ENCODINGS
    found: object = getattr(model, "model_name", None) or getattr(model, "model", None)
    return (encoding_of(found if isinstance(found, str) else None, None) or FOR_ANY,)
