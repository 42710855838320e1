"""A server that holds places until it is killed: ``holding_child.py URL USER PLACES LEASE_S``."""

from __future__ import annotations

import asyncio
import sys

from langchain_streamkit import Limits


async def main(url: str, user: str, places: int, lease_s: float) -> None:
    limits = Limits(concurrent_runs=places, url=url, lease_s=lease_s)
    for number in range(places):
        await limits.admit_run(user, f"r{number}")
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    url, user, places, lease_s = sys.argv[1:]
    asyncio.run(main(url, user, int(places), float(lease_s)))
