"""A run folded to what it came to: ``RunSnapshot`` and the views of its parts."""

from __future__ import annotations

from langchain_streamkit.snapshot.parts import BlockView, MessageView, StepView, ToolCallView
from langchain_streamkit.snapshot.run import RunSnapshot
from langchain_streamkit.snapshot.timeline import Span

__all__ = ["BlockView", "MessageView", "RunSnapshot", "Span", "StepView", "ToolCallView"]
