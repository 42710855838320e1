"""A process that spends: ``spending_child.py URL KEY START HOW``; it prints what it saw.

``HOW`` is ``exits`` (pieces, then a plain end) or ``forks`` (spends, forks, and both spend on).
"""

from __future__ import annotations

import os
import sys

from langchain_streamkit.tokens.quota_redis import RedisQuotaStore
from langchain_streamkit.tokens.spending import Spent

PIECE = Spent(output_tokens=1)


def main(url: str, key: str, start: int, how: str) -> None:
    store = RedisQuotaStore(url)
    store.add(key, start, 3600, Spent(model_calls=1))
    for _ in range(100):
        store.add(key, start, 3600, PIECE)
    if how == "forks":
        child = os.fork()
        for _ in range(100):
            store.add(key, start, 3600, PIECE)
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    url, key, start, how = sys.argv[1:]
    main(url, key, int(start), how)
