"""What one key has spent in one window, told to Redis in batches that count once.

A hash in Redis for each: ``sk:quota:<window_s>:<window_start>:<key>``, of counts, and of dollars as
whole billionths (``nano``) and billionths of those (``atto``), since Redis adds whole numbers
exactly and nothing else. Who writes numbers its batches, and the hash knows the last number of
each: a batch whose answer was lost is sent again, and not added again.
"""

from __future__ import annotations

import hashlib
import secrets
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from langchain_streamkit.amounts import EXACT
from langchain_streamkit.tokens.quota_store import KEEP_S
from langchain_streamkit.tokens.spending import NOTHING, Spent

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTS: Final = ("input_tokens", "output_tokens", "unpriced_calls", "model_calls", "tool_calls")
_DIGITS: Final = 18
_LAST_DIGIT: Final = Decimal((0, (1,), -_DIGITS))
_NANO: Final = 10**9
ADD: Final = """
local fields = {'input_tokens', 'output_tokens', 'unpriced_calls', 'model_calls', 'tool_calls',
                'nano', 'atto'}
local key, writer, number = KEYS[1], 'w:' .. ARGV[1], tonumber(ARGV[2])
if number > tonumber(redis.call('HGET', key, writer) or 0) then
  for i, field in ipairs(fields) do
    if ARGV[i + 3] ~= '0' then redis.call('HINCRBY', key, field, ARGV[i + 3]) end
  end
  redis.call('HSET', key, writer, number)
  redis.call('PEXPIRE', key, ARGV[3])
end
local time = redis.call('TIME')
return {time[1], time[2], unpack(redis.call('HMGET', key, unpack(fields)))}
"""
ADD_DIGEST: Final = hashlib.sha1(ADD.encode(), usedforsecurity=False).hexdigest()


class Window:
    """What is known of it in this process. Not for several threads at once."""

    __slots__ = ("batch", "keep_until", "name", "number", "redis_key", "seen", "unsent", "writer")

    def __init__(self, key: str, start: int, length: int) -> None:
        self.name = (key, start, length)
        whose = key.encode("utf-8", "surrogatepass")
        self.redis_key = f"sk:quota:{length}:{start}:".encode() + whose
        self.keep_until = start + length + KEEP_S
        self.seen = NOTHING
        """What Redis told last, and what it was not told then."""
        self.unsent = NOTHING
        self.batch: Spent | None = None
        """Sent, and not answered: to be sent again as it is."""
        self.number = 0
        """Of the newest batch; by it Redis tells one that it has from a new one."""
        self.writer = secrets.token_hex(8)

    @property
    def due(self) -> bool:
        """Whether there is anything to tell Redis."""
        return self.batch is not None or _storable(self.unsent) != NOTHING

    def next_batch(self, now: float) -> tuple[bytes | str | int, ...]:
        """Return the key and the arguments of ``ADD``."""
        if self.batch is None and (batch := _storable(self.unsent)) != NOTHING:
            self.batch = batch
            self.unsent -= batch
            self.number += 1
        batch = self.batch or NOTHING
        counts = [getattr(batch, name) for name in _COUNTS]
        dollars = divmod(int(EXACT.scaleb(batch.cost, _DIGITS)), _NANO)
        keep_ms = int((self.keep_until - now) * 1000)
        return (self.redis_key, self.writer, self.number, keep_ms, *counts, *dollars)

    def told(self, totals: Sequence[bytes | None]) -> None:
        """Take in what Redis answered to ``ADD``."""
        *counts, nano, atto = (int(total or 0) for total in totals)
        cost = EXACT.scaleb(Decimal(nano * _NANO + atto), -_DIGITS)
        self.batch = None
        self.seen = Spent(**dict(zip(_COUNTS, counts, strict=True)), cost=cost) + self.unsent


def _storable(spent: Spent) -> Spent:
    """Return it without what is below the last digit of dollars that Redis keeps."""
    cost = spent.cost.quantize(_LAST_DIGIT, ROUND_FLOOR, EXACT)
    return msgspec.structs.replace(spent, cost=cost)
