"""Who is told of what happens to streams, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from langchain_streamkit.log.contract import Listener


class Listeners:
    """The listeners of streams by name, and those of cancels."""

    def __init__(self) -> None:
        self._streams: dict[str, dict[object, Listener]] = {}
        self._cancels: dict[object, Callable[[str | None], None]] = {}

    @property
    def names(self) -> Collection[str]:
        """The streams that somebody listens to."""
        return self._streams.keys()

    @property
    def needed(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self._streams or self._cancels)

    def add(self, name: str, listener: Listener) -> Callable[[], None]:
        """Return what ends it, once."""
        key = object()
        self._streams.setdefault(name, {})[key] = listener

        def end() -> None:
            members = self._streams.get(name, {})
            if members.pop(key, None) is not None and not members:
                del self._streams[name]

        return end

    def add_cancel(self, told: Callable[[str | None], None]) -> Callable[[], None]:
        """Return what ends it."""
        key = object()
        self._cancels[key] = told
        return lambda: _drop(self._cancels, key)

    def added(self, name: str, generation: str, first: int, entries: Sequence[bytes]) -> None:
        """Tell those of one stream of new entries."""
        for listener in tuple(self._streams.get(name, {}).values()):
            listener.added(generation, first, entries)

    def changed(self, name: str) -> None:
        """Tell those of one stream to read it again."""
        for listener in tuple(self._streams.get(name, {}).values()):
            listener.changed()

    def all_changed(self) -> None:
        """Tell everybody to read again, as something may have been missed."""
        for name in tuple(self._streams):
            self.changed(name)

    def cancelled(self, name: str | None) -> None:
        """Tell those who listen for cancels; of None, that any may have been missed."""
        for told in tuple(self._cancels.values()):
            told(name)


def _drop(members: dict[object, Callable[[str | None], None]], key: object) -> None:
    members.pop(key, None)
