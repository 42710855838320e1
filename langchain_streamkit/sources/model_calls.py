"""What is remembered of a model call while it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langchain_streamkit.sources.assembler import MessageAssembler
    from langchain_streamkit.sources.lane import TextLane
    from langchain_streamkit.sources.outbox import MessageWriter
    from langchain_streamkit.sources.signals import ModelStart


class Call:
    """One model run; ``message`` is set once its message has begun."""

    __slots__ = (
        "asked",
        "first_size",
        "first_token",
        "known",
        "lane",
        "message",
        "model",
        "prompt",
        "prompt_tokens",
        "provider",
        "started",
        "told_at",
        "tools",
    )

    def __init__(self, signal: ModelStart) -> None:
        self.started = signal.ts
        self.asked = signal.model
        """The name the model was called by; ``model`` is the one it answers under, once known."""
        self.model = signal.model
        self.provider = signal.provider
        self.prompt = signal.prompt
        self.prompt_tokens: int | None = None
        """An estimate, once it was needed."""
        self.tools = signal.tools
        self.known = signal.known
        self.first_size: int | None = None
        """Characters of text in the first chunk; None until there is one."""
        self.first_token: int | None = None
        self.message: Message | None = None
        self.lane: TextLane | None = None
        self.told_at = 0
        """Tokens at the last ``usage.updated``."""

    def close_lane(self) -> None:
        if self.lane is not None:
            self.lane.close()
            self.lane = None


class Message(NamedTuple):
    """A message that is being said: what assembles it, and where its events go."""

    assembler: MessageAssembler
    writer: MessageWriter
