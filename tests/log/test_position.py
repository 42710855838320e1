"""Positions in logs: what they are written as, what they may be compared with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_streamkit import StreamUsageError
from langchain_streamkit.log import Position
from langchain_streamkit.log.position import new_generation

positions = st.builds(
    Position, st.sampled_from(["1f0c9a3e"]), st.integers(0, 10**15 - 1), st.integers(0, 999_999)
)


@given(positions)
def test_position_is_read_back_from_its_text(position: Position) -> None:
    assert Position.parse(str(position)) == position


def test_position_is_generation_and_number_and_the_frame_if_there_is_one() -> None:
    assert str(Position("1f0c9a3e", 42)) == "1f0c9a3e-42"
    assert str(Position("1f0c9a3e", 42, 3)) == "1f0c9a3e-42.3"


@pytest.mark.parametrize(
    "text",
    [
        *("", "42", "1f0c9a3e", "1f0c9a3e-", "1F0C9A3E-1", "1f0c9a3e--1", "1f0c9a3e-1\n"),
        *("1f0c9a3-1", "1f0c9a3e-٣", " 1f0c9a3e-1", "1f0c9a3e-1.", "1f0c9a3e-" + "9" * 16),
        "x" * 100_000,
    ],
)
def test_what_is_no_position_is_refused_in_few_words(text: str) -> None:
    with pytest.raises(StreamUsageError, match="is no position in a log: write 8 hexa") as caught:
        Position.parse(text)
    assert len(str(caught.value)) < 400
    assert caught.value.wire is not None


@given(positions, positions)
def test_positions_of_one_log_are_ordered_by_number_and_frame(a: Position, b: Position) -> None:
    assert (a < b) == ((a.seq, a.frame) < (b.seq, b.frame))
    assert (a <= b) == (not a > b)
    assert (a >= b) == (not a < b)


def test_positions_of_two_logs_are_in_no_order() -> None:
    with pytest.raises(StreamUsageError, match="two logs"):
        assert Position("1f0c9a3e", 1) < Position("00000000", 2)
    with pytest.raises(StreamUsageError, match="two logs"):
        assert Position("1f0c9a3e", 1) < ("1f0c9a3e", 2)


def test_generations_differ() -> None:
    made = {new_generation() for _ in range(100)}
    assert len(made) == 100
    assert all(str(Position(one, 1)) == str(Position.parse(f"{one}-1")) for one in made)
