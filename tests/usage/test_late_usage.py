"""What is learnt of a call when the stream has told of it already."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage

from langchain_streamkit.sources.accounts import Accounting
from langchain_streamkit.sources.normaliser import Normaliser
from langchain_streamkit.sources.signals import ChainStart, Failure, ModelEnd, ModelStart, Token
from langchain_streamkit.testing import assert_legal
from langchain_streamkit.tokens.ledger import Ledger

USED = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def test_a_call_that_ends_after_its_message_was_aborted_leaves_the_runs_sum_as_told() -> None:
    """A sibling fails, LangChain leaves the model's task, and its answer comes all the same."""
    ledger, root, chain, call = Ledger(), uuid4(), uuid4(), uuid4()
    made = Normaliser(root, accounting=Accounting("exact", ledgers=(ledger,)))
    made.begin(1, "run", None, {})
    made.feed(ChainStart(2, root, None, "run"))
    made.feed(ChainStart(3, chain, root, "part"))
    prompt = "a prompt that is estimated at more than the provider will say of it"
    made.feed(ModelStart(4, call, chain, "model", model="m", prompt=prompt))
    made.feed(Token(5, call, "m1", "Hello "))
    made.feed(Failure(6, chain, ValueError("a sibling")))
    made.feed(ModelEnd(7, call, AIMessage("Hello you", id="m1", usage_metadata=USED)))
    made.finish(8, None)
    events: list[Any] = made.outbox.seal()

    assert_legal(events)
    (aborted,) = [event for event in events if event.type == "message.aborted"]
    assert events[-1].usage.input_tokens == aborted.usage.input_tokens > 3
    (record,) = ledger
    assert (record.late, record.source) == (True, "provider")
    assert (record.input_tokens, record.output_tokens) == (3, 2)
