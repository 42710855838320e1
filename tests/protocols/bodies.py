"""What the tests of requests share: bodies that a client sends, and what refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from langchain_streamkit import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
"""Any small JSON value."""


def refusal(read: Callable[..., object], *given: Any, **more: Any) -> str:
    """Why a body is refused; all of it may be told to the client."""
    with pytest.raises(StreamUsageError) as caught:
        read(*given, **more)
    assert caught.value.wire
    assert caught.value.wire == str(caught.value)
    return caught.value.wire
