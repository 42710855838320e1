"""Another process on the same file: writes a run, and waits to be cancelled or killed."""

from __future__ import annotations

import asyncio
import sys

from langchain_streamkit.log import open_log
from tests.foundation.samples import whole_run
from tests.log.reading import jsons, lines


async def main(url: str, name: str, what: str) -> None:
    async with open_log(url, lease_s=0.5) as log:
        writer = await log.open(name, run_id="run-1")
        if what == "many":
            for number in range(300):
                await writer.append(lines(number))
            await writer.finish()
        elif what == "until_cancelled":
            await writer.append(lines("begun"))
            await writer.finish(lines(await writer.cancelled()))
        else:
            await writer.append(jsons(whole_run()[:12]))
            await asyncio.sleep(60)


asyncio.run(main(*sys.argv[1:]))
