"""Scripted models and providers, faults, recording sinks and stream assertions, for your own tests.

* ``ScriptedModel``, ``ScriptedLLM``: LangChain models that play a script made of turns (``Turn``).
* ``scripted_provider()``: a real HTTP server that speaks the OpenAI protocol and plays the same
  scripts, with errors, delays, malformed chunks and dropped connections on demand.
* ``RecordingSink``: a sink that keeps what it is sent. ``assert_legal(events)``: the grammar of a
  legal stream as an assertion. ``replay(path)``: a recorded run in its own rhythm.

Nothing is imported until its name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_streamkit.testing.assertions import assert_legal
    from langchain_streamkit.testing.faults import (
        CutShort,
        DroppedConnection,
        Malformed,
        ProviderError,
        context_length_exceeded,
        invalid_api_key,
        rate_limited,
        server_error,
    )
    from langchain_streamkit.testing.llms import ScriptedLLM, TextCall
    from langchain_streamkit.testing.models import ModelCall, ScriptedModel
    from langchain_streamkit.testing.provider import ScriptedProvider, scripted_provider
    from langchain_streamkit.testing.provider_request import ProviderRequest
    from langchain_streamkit.testing.replaying import Replay, replay
    from langchain_streamkit.testing.script import ScriptExhausted
    from langchain_streamkit.testing.sinks import RecordingSink
    from langchain_streamkit.testing.turns import Reasoning, ScriptError, ToolCall, Turn
    from langchain_streamkit.testing.waiting import Gate, WaitTimeout

__all__ = [
    "CutShort",
    "DroppedConnection",
    "Gate",
    "Malformed",
    "ModelCall",
    "ProviderError",
    "ProviderRequest",
    "Reasoning",
    "RecordingSink",
    "Replay",
    "ScriptError",
    "ScriptExhausted",
    "ScriptedLLM",
    "ScriptedModel",
    "ScriptedProvider",
    "TextCall",
    "ToolCall",
    "Turn",
    "WaitTimeout",
    "assert_legal",
    "context_length_exceeded",
    "invalid_api_key",
    "rate_limited",
    "replay",
    "scripted_provider",
    "server_error",
]

_HOMES = {
    "assertions": ["assert_legal"],
    "faults": [
        "CutShort",
        "DroppedConnection",
        "Malformed",
        "ProviderError",
        "context_length_exceeded",
        "invalid_api_key",
        "rate_limited",
        "server_error",
    ],
    "llms": ["ScriptedLLM", "TextCall"],
    "models": ["ModelCall", "ScriptedModel"],
    "provider": ["ScriptedProvider", "scripted_provider"],
    "provider_request": ["ProviderRequest"],
    # not replay.py: a submodule hides a function of its name once it is imported
    "replaying": ["Replay", "replay"],
    "script": ["ScriptExhausted"],
    "sinks": ["RecordingSink"],
    "turns": ["Reasoning", "ScriptError", "ToolCall", "Turn"],
    "waiting": ["Gate", "WaitTimeout"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME_OF[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
