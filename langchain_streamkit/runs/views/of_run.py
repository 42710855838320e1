"""The views of a run by name: ``text``, ``messages``, ``tool_calls`` and ``values``, each as it is
or, called, with filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from langchain_core.language_models import BaseLanguageModel

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import name_of
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.runs.views.handles import (
    AsyncMessage,
    AsyncToolCall,
    Message,
    ToolCall,
)
from langchain_streamkit.runs.views.message_feed import MessageFeed, ToolCallFeed
from langchain_streamkit.runs.views.selection import refuse_unnamed, selection
from langchain_streamkit.runs.views.settled_feed import SettledTextFeed
from langchain_streamkit.runs.views.text_feed import TextFeed
from langchain_streamkit.runs.views.value_feed import ValueFeed
from langchain_streamkit.runs.views.view import AsyncView, View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.driver import AsyncDriver
    from langchain_streamkit.runs.views.feed import Feed
    from langchain_streamkit.runs.views.selection import Listeners, Path
    from langchain_streamkit.runs.worker import Worker


class AsyncText(AsyncView[str]):
    """``run.text``: what is said to the user, as it is said."""

    def __init__(self, driver: AsyncDriver) -> None:
        super().__init__(driver, _text(driver.core))

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
        settled: bool = False,
    ) -> AsyncView[str]:
        """The text of part of the run.

        Args:
            unnamed: nothing; filters have names.
            node: only what is said in the node of this name, at whatever depth, or below it.
            path: only what is said below this path, ``"research/writer"`` or a list of names.
            audience: ``"user"``, ``"internal"`` or ``"all"``.
            settled: hold the text of each message back until it can no longer be taken back.
        """
        refuse_unnamed("text", unnamed)
        return AsyncView(self._driver, _text(self._driver.core, node, path, audience, settled))


class Text(View[str]):
    """``run.text``: what is said to the user, as it is said."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, _text(worker.core))

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
        settled: bool = False,
    ) -> View[str]:
        """The text of part of the run; see ``AsyncText``."""
        refuse_unnamed("text", unnamed)
        return View(self._worker, _text(self._worker.core, node, path, audience, settled))


class AsyncMessages(AsyncView[AsyncMessage]):
    """``run.messages``: a handle for each message to the user, when it begins."""

    def __init__(self, driver: AsyncDriver) -> None:
        super().__init__(driver, self._feeds())

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> AsyncView[AsyncMessage]:
        """The messages of part of the run, or those that are not for the user."""
        refuse_unnamed("messages", unnamed)
        return AsyncView(self._driver, self._feeds(node, path, audience))

    def _feeds(self, *asked: Any) -> Callable[[], Feed[AsyncMessage]]:
        chosen = selection(*(asked or _FOR_USER))
        return lambda: MessageFeed(chosen, lambda view: AsyncMessage(self._driver, view))


class Messages(View[Message]):
    """``run.messages``: a handle for each message to the user, when it begins."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, self._feeds())

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> View[Message]:
        """The messages of part of the run, or those that are not for the user."""
        refuse_unnamed("messages", unnamed)
        return View(self._worker, self._feeds(node, path, audience))

    def _feeds(self, *asked: Any) -> Callable[[], Feed[Message]]:
        chosen = selection(*(asked or _FOR_USER))
        return lambda: MessageFeed(chosen, lambda view: Message(self._worker, view))


class AsyncToolCalls(AsyncView[AsyncToolCall]):
    """``run.tool_calls``: a handle for each tool call, once its arguments are whole."""

    def __init__(self, driver: AsyncDriver) -> None:
        super().__init__(driver, self._feeds())

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> AsyncView[AsyncToolCall]:
        """The tool calls of part of the run, or those of messages that are not for the user."""
        refuse_unnamed("tool_calls", unnamed)
        return AsyncView(self._driver, self._feeds(node, path, audience))

    def _feeds(self, *asked: Any) -> Callable[[], Feed[AsyncToolCall]]:
        chosen = selection(*(asked or _FOR_USER))
        return lambda: ToolCallFeed(chosen, lambda view: AsyncToolCall(self._driver, view))


class ToolCalls(View[ToolCall]):
    """``run.tool_calls``: a handle for each tool call, once its arguments are whole."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, self._feeds())

    def __call__(
        self,
        *unnamed: Never,
        node: str | None = None,
        path: Path | None = None,
        audience: Listeners = "user",
    ) -> View[ToolCall]:
        """The tool calls of part of the run, or those of messages that are not for the user."""
        refuse_unnamed("tool_calls", unnamed)
        return View(self._worker, self._feeds(node, path, audience))

    def _feeds(self, *asked: Any) -> Callable[[], Feed[ToolCall]]:
        chosen = selection(*(asked or _FOR_USER))
        return lambda: ToolCallFeed(chosen, lambda view: ToolCall(self._worker, view))


class AsyncValues(AsyncView[Any]):
    """``run.values``: each state of the root graph, as plain JSON."""

    def __init__(self, driver: AsyncDriver) -> None:
        capture_state(driver.core)
        super().__init__(driver, _values(driver.core))

    def __call__(
        self, *unnamed: Never, path: Path | None = None, node: str | None = None
    ) -> AsyncView[Any]:
        """The states of the graph at ``path``, or of those that run as a node of this name."""
        refuse_unnamed("values", unnamed)
        return AsyncView(self._driver, _values(self._driver.core, path, node))


class Values(View[Any]):
    """``run.values``: each state of the root graph, as plain JSON."""

    def __init__(self, worker: Worker) -> None:
        capture_state(worker.core)
        super().__init__(worker, _values(worker.core))

    def __call__(
        self, *unnamed: Never, path: Path | None = None, node: str | None = None
    ) -> View[Any]:
        """The states of the graph at ``path``, or of those that run as a node of this name."""
        refuse_unnamed("values", unnamed)
        return View(self._worker, _values(self._worker.core, path, node))


def partials(
    core: RunCore,
    model: Any,
    unnamed: Sequence[object],
    node: str | None,
    path: Path | None,
    audience: Listeners,
) -> Callable[[], Feed[Any]]:
    """The feeds of ``run.partial``. Raises StreamUsageError for what is no model."""
    from langchain_streamkit.runs.views.partial_feed import PartialFeed
    from langchain_streamkit.runs.views.partial_schema import Schema

    schema, chosen = Schema(model), selection(node, path, audience)
    refuse_unnamed("partial", unnamed, f"{schema.name}, ")
    return lambda: PartialFeed(schema, chosen, core)


_FOR_USER = (None, None, "user")


def _text(
    core: RunCore,
    node: str | None = None,
    path: Path | None = None,
    audience: Listeners = "user",
    settled: bool = False,  # noqa: FBT001, FBT002
) -> Callable[[], Feed[str]]:
    chosen = selection(node, path, audience)
    if settled:
        return lambda: SettledTextFeed(chosen, core.normaliser.settled)
    return lambda: TextFeed(chosen)


def _values(
    core: RunCore, path: Path | None = None, node: str | None = None
) -> Callable[[], Feed[Any]]:
    chosen = selection(node, path, "all")

    def opened() -> Feed[Any]:
        plan = core.plan
        if plan.route != "source" and isinstance(unwrapped(plan.runnable), BaseLanguageModel):
            raise StreamUsageError(
                f"run.values are the states of a graph, and {name_of(unwrapped(plan.runnable))} is"
                " a model; what it says is run.text, or await run.result()"
            )
        return ValueFeed(chosen)

    return opened


def capture_state(core: RunCore) -> None:
    """Have the state captured from the start. Raises StreamUsageError if that is too late."""
    if "state" in core.tap.capture:
        return
    if core.called:
        raise StreamUsageError(
            f"run {core.run_id} has started without its state: read run.values before the run"
            " starts, or ask for it with capture={'state'}"
        )
    core.tap.capture = frozenset({*core.tap.capture, "state"})
