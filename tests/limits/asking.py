"""Many who ask at the same time."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from langchain_streamkit import LimitExceeded
from langchain_streamkit.limits import Hold


def new_user() -> str:
    return uuid.uuid4().hex


async def admitted(*asking: Any) -> list[Hold]:
    """The holds of those that were not refused."""
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Hold, LimitExceeded}
    return [answer for answer in answers if isinstance(answer, Hold)]
