"""What is served: a runnable, or a function that makes one for a request."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from langchain_core.runnables import Runnable

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import name_of
from langchain_streamkit.runs.runnables import as_runnable, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import HTTPConnection

Servable: TypeAlias = "Runnable[Any, Any] | Callable[[HTTPConnection], Any]"
"""A runnable, or ``callable(request)`` that returns one: plain, async, or an async context manager
that is left when the run has ended."""


class Served:
    """Gives the runnable for a request. Raises ``StreamUsageError`` for what can be neither."""

    def __init__(self, servable: Servable) -> None:
        given: Any = servable
        if not isinstance(given, Runnable) and (
            not callable(given) or inspect.isclass(given) or _looks_like_a_runnable(given)
        ):
            as_runnable(servable)  # says what to write instead
        self._servable = servable

    async def runnable(self, request: HTTPConnection, held: AsyncExitStack) -> Runnable[Any, Any]:
        """Return the runnable; what has to be closed after it is pushed to ``held``."""
        if isinstance(self._servable, Runnable):
            return cast("Runnable[Any, Any]", self._servable)  # type: ignore[redundant-cast]
        made: Any = self._servable(request)
        if hasattr(made, "__aenter__") and hasattr(made, "__aexit__"):
            made = await held.enter_async_context(made)
        elif inspect.isawaitable(made):
            made = await made
        if not isinstance(made, Runnable):
            raise StreamUsageError(
                f"{name_of(self._servable)}(request) returned a {name_of(made)}; return a Runnable,"
                " such as a compiled graph"
            )
        return cast("Runnable[Any, Any]", made)  # type: ignore[redundant-cast]


def as_input(runnable: Runnable[Any, Any], value: Any) -> Any:
    """Return the input of a client; a text for a graph of messages becomes the user's message."""
    if isinstance(value, str) and "messages" in channels_of(runnable):
        return {"messages": [{"role": "user", "content": value}]}
    return value


def channels_of(runnable: Runnable[Any, Any]) -> Collection[str]:
    """Return the names of a graph's state; none for anything else."""
    builder: Any = getattr(unwrapped(runnable), "builder", None)
    return getattr(builder, "channels", None) or ()


def name_served(runnable: Runnable[Any, Any] | None) -> str:
    """Return what clients call a runnable by its own name; ``agent``, if it has none."""
    name = None if runnable is None else runnable.get_name()
    return "agent" if name in {None, "", "LangGraph"} else str(name)


def _looks_like_a_runnable(value: object) -> bool:
    return hasattr(value, "compile") and hasattr(value, "add_node")
