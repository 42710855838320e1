"""One run: how it is called, sequenced, stopped and read. Knows asyncio and threads."""
