"""Where runs are kept, so that they outlive their readers: ``open_log(url)`` gives an ``EventLog``.

``contract.py`` says what a store does, ``memory.py``, ``sqlite.py`` and ``redis.py`` do it.
"""

from __future__ import annotations

from langchain_streamkit.log.contract import Info, LogStore
from langchain_streamkit.log.event_log import EventLog
from langchain_streamkit.log.opening import open_log
from langchain_streamkit.log.position import Position
from langchain_streamkit.log.sink import LogSink
from langchain_streamkit.log.tailing import Entry
from langchain_streamkit.log.writer import LogWriter

__all__ = ["Entry", "EventLog", "Info", "LogSink", "LogStore", "LogWriter", "Position", "open_log"]
