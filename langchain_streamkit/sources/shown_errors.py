"""What may be shown of the errors of one run.

Guarantees: an error that passes through several steps is one error, with one id, described at the
deepest place that reported it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from langchain_streamkit import failures

if TYPE_CHECKING:
    from langchain_streamkit.events import ErrorInfo


class ShownErrors:
    """The errors that were met so far; ``expose`` shows the texts of exceptions."""

    def __init__(self, *, expose: bool) -> None:
        self._expose = expose
        self._known: list[tuple[BaseException, ErrorInfo]] = []

    def info(self, error: BaseException, where: failures.Where) -> ErrorInfo:
        """What may be shown of ``error``: made once."""
        for known, info in self._known:
            if known is error:
                return info
        info = failures.error_info(error, error_id=uuid4().hex, where=where, expose=self._expose)
        self._known.append((error, info))
        return info
