"""Models, chains, retrievers and tools without a graph."""

from __future__ import annotations

from tests.scenarios.told import half, lines, says, told, told_by_handler, told_sync


async def test_a_model_that_fails_is_a_model_error() -> None:
    expected = lines("""
        run.started
        message.started / assistant
        text / 'Half'
        message.aborted / error
        run.failed model_error
    """)
    assert await told(says(half())) == expected
    assert told_sync(says(half())) == expected
    assert await told_by_handler(says(half())) == expected
