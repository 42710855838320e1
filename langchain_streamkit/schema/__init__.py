"""The event vocabulary for others: JSON Schema, TypeScript, Pydantic and FastAPI.

Everything is generated from the event classes. ``events.schema.json`` and ``events.d.ts`` beside
this file are what ``python -m langchain_streamkit.schema`` writes.
"""

from __future__ import annotations

from langchain_streamkit.schema.json_schema import event_json_schema, inlined_json_schema
from langchain_streamkit.schema.pydantic_schema import pydantic_core_schema
from langchain_streamkit.schema.typescript import typescript

__all__ = ["event_json_schema", "inlined_json_schema", "pydantic_core_schema", "typescript"]
