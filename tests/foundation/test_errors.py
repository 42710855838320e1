"""The exceptions of the library are one family, and catchable as what they are beside it."""

from __future__ import annotations

import pytest

from langchain_streamkit import errors


@pytest.mark.parametrize(
    "cls",
    [
        errors.StreamUsageError,
        errors.AdaptError,
        errors.SinkError,
        errors.RunCancelled,
        errors.ReaderOverflow,
    ],
)
def test_every_error_is_a_stream_error_that_keeps_its_message(
    cls: type[errors.StreamError],
) -> None:
    with pytest.raises(errors.StreamError, match="what to write instead"):
        raise cls("what to write instead")


def test_wrong_use_is_a_type_error_too() -> None:
    assert issubclass(errors.StreamUsageError, TypeError)


def test_cancelled_run_says_why() -> None:
    assert errors.RunCancelled("stopped", reason="budget").reason == "budget"
    assert errors.RunCancelled("stopped").reason == "user"
