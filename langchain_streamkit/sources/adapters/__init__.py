"""Streams of others into ours: one adapter for each route, all feeding the same signals.

Pure: an adapter takes items and knows no loop, thread or socket; whoever reads the source feeds it.
"""

from __future__ import annotations

from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.adapters.recognise import recognise

__all__ = ["Adapter", "Opening", "recognise"]
