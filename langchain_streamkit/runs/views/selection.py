"""Which part of a run a view shows: of a node, below a path, for whom."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_streamkit.events import Audience

Listeners: TypeAlias = Literal["user", "internal", "all"]
Path: TypeAlias = "str | Sequence[str]"
"""Names from the root graph down: ``("research", "writer")``, or ``"research/writer"``."""

_NUMBER = re.compile(r"#\d+$")


class Selection(NamedTuple):
    """What passes: all of the given conditions hold.

    ``node`` is a name anywhere in the path, so that a graph used as a node is all that happens in
    it; ``path`` is where it begins, from the root graph down. Neither minds the ``#n`` of parallel
    siblings.
    """

    node: str | None = None
    path: tuple[str, ...] = ()
    audience: Listeners = "user"

    def takes(self, path: Sequence[str], audience: Audience) -> bool:
        """Whether something said there, for those, passes."""
        if self.audience not in ("all", audience):
            return False
        if self.node is None and not self.path:
            return True
        names = plain_path(path)
        if self.node is not None and self.node not in names:
            return False
        return names[: len(self.path)] == self.path


EVERYTHING: Final = Selection(audience="all")


def selection(node: object, path: object, audience: object) -> Selection:
    """The selection that was asked for. Raises StreamUsageError for what cannot be meant."""
    if audience not in ("user", "internal", "all"):
        raise StreamUsageError(
            f"audience={audience!r} is not known; write 'user', 'internal' or 'all'"
        )
    return Selection(node_name(node), checked_path(path), audience)


def node_name(node: object) -> str | None:
    """A node's name without ``#n``. Raises StreamUsageError for what is none."""
    if node is None:
        return None
    if not isinstance(node, str):
        raise StreamUsageError(f"node={node!r} is not a node's name; write node='writer'")
    return plain(node)


def checked_path(path: object) -> tuple[str, ...]:
    """A path as names without ``#n``. Raises StreamUsageError for what is none."""
    if path is None:
        return ()
    if isinstance(path, str):
        return plain_path(path.strip("/").split("/")) if path.strip("/") else ()
    names = list(cast("Iterable[object]", path)) if isinstance(path, Iterable) else [path]
    if not all(isinstance(name, str) for name in names):
        raise StreamUsageError(
            f"path={path!r} is no path; write path='research/writer' or ('research', 'writer')"
        )
    return plain_path(cast("list[str]", names))


def refuse_unnamed(view: str, given: Sequence[object], before: str = "") -> None:
    """Raise StreamUsageError for filters of ``run.view(before...)`` that were given by place."""
    if given:
        is_node = isinstance(given[0], str) and "/" not in given[0]
        filters = f"{before}{'node' if is_node else 'path'}={given[0]!r}"
        raise StreamUsageError(
            f"run.{view}() takes its filters by name; write run.{view}({filters})"
        )


def plain(name: str) -> str:
    """A name without the number that tells parallel siblings apart."""
    return _NUMBER.sub("", name) if "#" in name else name


def plain_path(path: Sequence[str]) -> tuple[str, ...]:
    """The names of a path without such numbers."""
    return tuple(map(plain, path))
