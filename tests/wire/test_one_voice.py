"""Messages of a run as a single speaker would say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from langchain_streamkit.wire.openai.one_voice import OneVoice
from tests.wire.story import Story

if TYPE_CHECKING:
    from collections.abc import Sequence


def said(events: Sequence[Any], **options: Any) -> list[str]:
    """What the voice says, a word an event: the text, or how the message goes on."""
    voice = OneVoice(**options)
    spoken = [one for event in events for one in voice.feed(event)]
    return [
        one.text if isinstance(one, ev.TextDelta) else f"{one.message_id}.{one.type.split('.')[1]}"
        for one in [*spoken, *voice.rest()]
        if not isinstance(one, ev.TextStarted | ev.TextFinished)
    ]


def aborted(story: Story, message_id: str) -> Any:
    return story.make(ev.MessageAborted, message_id=message_id, reason="retry")


def retracted(story: Story, message_id: str) -> Any:
    return story.make(ev.MessageRetracted, message_id=message_id, reason="retry")


def test_message_that_begins_while_another_speaks_waits_for_its_end() -> None:
    story = Story()
    events = [
        story.message_start("m1"),
        story.delta("a", "m1"),
        story.message_start("m2"),
        story.delta("x", "m2"),
        story.delta("b", "m1"),
        story.message_end("m1"),
        story.delta("y", "m2"),
        story.message_end("m2"),
    ]
    whole = ["m1.started", "a", "b", "m1.finished", "m2.started", "x", "y", "m2.finished"]
    assert said(events) == whole
    voice = OneVoice()
    at_once = [len(voice.feed(event)) for event in events]
    assert at_once == [1, 1, 0, 0, 1, 3, 1, 1]


def test_messages_that_ended_while_they_waited_are_said_in_order_of_their_start() -> None:
    story = Story()
    events = [
        story.message_start("m1"),
        *story.message("x", message_id="m2"),
        *story.message("y", message_id="m3"),
        story.message_end("m1"),
    ]
    words = [word for word in said(events) if "." not in word]
    assert words == ["x", "y"]


def test_message_that_dies_while_it_waits_is_never_heard_of() -> None:
    story = Story()
    events = [
        story.message_start("m1"),
        story.message_start("m2"),
        story.delta("x", "m2"),
        aborted(story, "m2"),
        *story.message("y", message_id="m3"),
        retracted(story, "m3"),
        story.message_end("m1"),
        retracted(story, "m1"),
    ]
    assert said(events) == ["m1.started", "m1.finished", "m1.retracted"]


def test_messages_within_and_of_others_than_the_assistant_are_not_said() -> None:
    story = Story()
    events = [
        *story.message("secret", message_id="m1", audience="internal"),
        story.make(ev.MessageStarted, message_id="m2", role="user"),
        story.delta("mine", "m2"),
        story.message_end("m2"),
        story.make(ev.MessageStarted, message_id="m3", role="system"),
        story.message_end("m3"),
    ]
    assert said(events) == []


def test_last_only_is_the_last_message_that_ended_well_and_not_before_the_rest() -> None:
    story = Story()
    events = [
        *story.message("first", message_id="m1"),
        *story.message("second", message_id="m2"),
        *story.message("third", message_id="m3"),
        retracted(story, "m3"),
        story.message_start("m4"),
        story.delta("half", "m4"),
    ]
    assert said(events, last_only=True) == ["m2.started", "second", "m2.finished"]
    voice = OneVoice(last_only=True)
    assert not any(voice.feed(event) for event in events)
    assert OneVoice(last_only=True).rest() == ()
