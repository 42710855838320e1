"""OpenAI's vocabularies, from inside the package: no network, no environment variable.

Guarantees: an encoding is made at most once in a process, by whichever thread asks first; one that
the application has loaded through tiktoken is taken as it is; tiktoken's registry is only read.

``data/*.ranks.xz`` hold, for rank 0, 1, 2 ..., one length byte and that many bytes of the token,
xz-compressed. Written as lines of ``base64(token) rank`` they are the files that tiktoken downloads
(MIT, OpenAI), which a test asserts by tiktoken's own sha256.
"""

from __future__ import annotations

import asyncio
import functools
import lzma
import os
import threading
from importlib.resources import files
from typing import TYPE_CHECKING

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.models import encoding_for_model
from langchain_streamkit.tokens.patterns import RECIPES, EncodingName, Recipe

if TYPE_CHECKING:
    import tiktoken

_loaded: dict[EncodingName, tiktoken.Encoding] = {}
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    # What is being loaded is waited for: the child has no thread that would release the lock.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def load_encoding(name: EncodingName) -> tiktoken.Encoding:
    """Return the encoding, made on the first call: 0.1 s (cl100k_base) to 0.35 s of CPU.

    Under a running event loop, ``await aload_encoding(name)`` first, or call this when the process
    starts: afterwards it is a look-up. Raises StreamUsageError for any other name.
    """
    with _lock:  # whoever comes second waits, and finds it
        found = loaded_encoding(name)
        if found is None:
            found = _loaded[name] = _make(name)
        return found


async def aload_encoding(name: EncodingName) -> tiktoken.Encoding:
    """The same for code in an event loop: the work is done in a thread.

    The loop keeps running while the file is unpacked; tiktoken's constructor, 0.1 to 0.2 s, holds
    the interpreter's lock, which nobody outside of it can change. A server that cannot pause at
    its first request calls ``load_encoding`` before it begins to listen.
    """
    found = loaded_encoding(name)
    return await asyncio.to_thread(load_encoding, name) if found is None else found


def loaded_encoding(name: EncodingName) -> tiktoken.Encoding | None:
    """Return the encoding if it is loaded, by us or by the application; never loads it."""
    if name in _loaded:
        return _loaded[name]
    from tiktoken.registry import ENCODINGS

    found = ENCODINGS.get(name)
    # One that splits text in another way, or says so in other words, is not known to be the same.
    if found is None or getattr(found, "_pat_str", None) != _recipe(name).pattern:
        return None
    return found


def _make(name: EncodingName) -> tiktoken.Encoding:
    import tiktoken

    recipe = _recipe(name)
    return tiktoken.Encoding(
        name,
        pat_str=recipe.pattern,
        mergeable_ranks=_ranks(recipe.ranks),
        special_tokens=recipe.special,
    )


def _recipe(name: EncodingName) -> Recipe:
    recipe = RECIPES.get(name)
    if recipe is None:
        own = encoding_for_model(str(name))
        if own is not None:
            raise StreamUsageError(f"{name!r} is a model, whose encoding is {own!r}: write that")
        known = ", ".join(map(repr, RECIPES))
        raise StreamUsageError(
            f"no encoding {name!r} is shipped: write one of {known}, or "
            "pass a tiktoken.Encoding where one is taken"
        )
    return recipe


@functools.cache  # o200k_base and o200k_harmony share one; an encoding keeps its dict anyway
def _ranks(file: str) -> dict[bytes, int]:
    """The rank of every token."""
    data = files(__package__ or "").joinpath("data", f"{file}.ranks.xz").read_bytes()
    packed = lzma.decompress(data)
    tokens: list[bytes] = []
    start = 0
    while start < len(packed):
        end = start + 1 + packed[start]
        tokens.append(packed[start + 1 : end])
        start = end
    return {token: rank for rank, token in enumerate(tokens)}
