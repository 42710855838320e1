"""What one model call spends, while it streams and once the provider has said it.

How the cost is known at every piece without pricing every piece: for a given prompt the price of an
answer is a line (tiers go by the size of the prompt), so two prices, of no output and of one token,
are taken when the call starts, and the rest is a multiplication. What the provider says at the end
is priced anew, with its cached, audio and tier tokens.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from langchain_streamkit.amounts import EXACT
from langchain_streamkit.tokens.counter import TokenCounter
from langchain_streamkit.tokens.models import encoding_for_model
from langchain_streamkit.tokens.spending import NOTHING, Spent
from langchain_streamkit.tokens.vocabularies import load_encoding

if TYPE_CHECKING:
    from langchain_streamkit.tokens.prices import Counted, Prices

CallStatus: TypeAlias = Literal["ok", "aborted", "failed", "cached"]
"""How a model call ended; ``cached``: LangChain's cache answered."""


class MeteredCall:
    """One model call. Not for several threads at once.

    ``windows`` is kept for whoever made it: when the quotas' windows began in which it starts.
    """

    __slots__ = (
        "_counters",
        "_encoding",
        "_output",
        "_per_token",
        "_prices",
        "model",
        "opening",
        "priced",
        "provider",
        "windows",
    )

    def __init__(
        self,
        model: str | None,
        provider: str | None,
        prompt_tokens: int,
        prices: Prices | None,
        windows: list[int],
    ) -> None:
        self.model = model
        self.provider = provider
        self.windows = windows
        self._prices = prices
        self._encoding = load_encoding(encoding_for_model(model, provider) or "o200k_base")
        self._counters: dict[Hashable, TokenCounter] = {}
        self._output = 0
        prompt = self._price(prompt_tokens, 0)
        with_one = self._price(prompt_tokens, 1)
        self.priced = prompt is not None and with_one is not None
        """Whether its price is known."""
        cost = self._per_token = Decimal(0)
        if prompt is not None and with_one is not None:
            cost = prompt
            self._per_token = EXACT.subtract(with_one, prompt)
        self.opening = Spent(
            input_tokens=prompt_tokens,
            cost=cost,
            unpriced_calls=0 if self.priced else 1,
            model_calls=1,
        )
        """What it spends by starting."""

    @property
    def spent(self) -> Spent:
        """What it has spent so far: the opening and all that ``feed`` has returned."""
        return self.opening + self._answer(self._output)

    @property
    def heard(self) -> bool:
        """Whether anything was fed."""
        return bool(self._counters)

    def feed(self, text: str, block: Hashable) -> Spent:
        """Count a piece of one block of the answer; return what it adds (counts can fall)."""
        counter = self._counters.get(block)
        if counter is None:
            counter = self._counters[block] = TokenCounter(self._encoding)
        before = counter.count
        grown = counter.feed(text) - before
        self._output += grown
        return self._answer(grown)

    def final(self, counts: Counted | None, status: CallStatus) -> Spent:
        """Return what it has spent when it is over; see ``Meter.call_ends``."""
        if status == "cached":
            return NOTHING
        output = sum(counter.final() for counter in self._counters.values())
        if counts is not None and (counts.input_tokens or counts.output_tokens):
            told = Spent(
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                cost=self._final_price(counts),
                unpriced_calls=self.opening.unpriced_calls,
                model_calls=1,
            )
            # Of an answer that broke off it may be what was known at its beginning.
            more = 0 if status == "ok" else max(0, output - counts.output_tokens)
            return told + self._answer(more)
        if status == "failed" and not output:
            return Spent(model_calls=1)
        return self.opening + self._answer(output)

    def _answer(self, tokens: int) -> Spent:
        return Spent(output_tokens=tokens, cost=EXACT.multiply(self._per_token, Decimal(tokens)))

    def _price(self, tokens_in: int, tokens_out: int) -> Decimal | None:
        if self._prices is None:
            return None
        usage = {"input_tokens": tokens_in, "output_tokens": tokens_out}
        return self._prices.price_of(usage, self.model, self.provider)

    def _final_price(self, counts: Counted) -> Decimal:
        price = None
        if self.priced and self._prices is not None:
            price = self._prices.price_of(counts, self.model, self.provider)
        if price is None:  # not used in a way that has a price, or none is known at all
            price = (self.opening + self._answer(counts.output_tokens)).cost
        return price
