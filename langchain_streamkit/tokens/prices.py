"""What a model call costs, in US dollars: the user's own prices first, then genai-prices.

Guarantees: ``Decimal`` throughout, so that sums are exact; None, never 0, for what has no known
price; no network (genai-prices has its prices in its wheel). A price known to nobody is told once.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, cast

from langchain_streamkit.amounts import EXACT, amount_of
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.details import TokenDetails, count_of, read_details

if TYPE_CHECKING:
    from types import ModuleType

PriceTable: TypeAlias = Mapping[str, Mapping[str, Decimal | int | float | str]]
"""By model name: dollars per million tokens, by the names of ``FIELDS``."""

FIELDS: Final = {
    "input": None,
    "output": None,
    "cache_read": "input",
    "cache_creation": "input",
    "cache_creation_1h": "cache_creation",
    "audio_input": "input",
    "audio_output": "output",
}
"""The prices of a table; one that is left out is the price of the field named here."""
MAX_DOLLARS: Final = Decimal(10) ** 15
"""Of one call; more is no cost, but a wrong number of tokens."""
MAX_DECIMALS: Final = 60
_MILLION: Final = 1_000_000
_LIBRARYS: Final = Context(prec=28)
"""Python's usual one: how genai-prices reckons must not depend on what the application has set."""


class Counted(Protocol):
    """The tokens of one call; ``sources.usage.TokenCounts`` is one."""

    @property
    def input_tokens(self) -> int:
        """All of the prompt."""
        ...

    @property
    def output_tokens(self) -> int:
        """All of the answer."""
        ...

    @property
    def parts(self) -> TokenDetails:
        """Those of them that have prices of their own."""
        ...


class Priced(NamedTuple):
    """What a call costs, and what there is to say of its price."""

    cost: Decimal | None
    news: str | None


class Prices:
    """The prices of one run.

    ``overrides`` is ``{"my-model": {"input": 0.5, "output": "1.5", "cache_read": 0.05}}``, in
    dollars per million tokens at every service tier; it comes before all other prices. Raises
    StreamUsageError for a name it does not know. ``on_unknown`` is called with a message that says
    what to do, once for each model; ``unknown`` holds these messages.
    """

    def __init__(
        self,
        overrides: PriceTable | None = None,
        *,
        on_unknown: Callable[[str], object] | None = None,
    ) -> None:
        if not isinstance(cast("object", overrides), Mapping | None):
            raise StreamUsageError(
                f"prices is {short_repr(overrides)}: write {{model: {{'input': ..., 'output': ...}}"
                "}, in US dollars per million tokens"
            )
        self._own = {model: _checked(model, table) for model, table in (overrides or {}).items()}
        self._on_unknown = on_unknown
        self.unknown: dict[tuple[str, str | None], str] = {}

    def price_of(
        self, usage: Counted | Mapping[str, object], model: str | None, provider: str | None = None
    ) -> Decimal | None:
        """Return what the call costs; None if it is not known.

        ``usage`` is a ``usage_metadata`` of LangChain or has its fields; ``provider`` is
        LangChain's ``ls_provider``, without which the model's name alone decides. The first call
        imports genai-prices (0.45 s; ``load_prices`` does it beforehand), others take some 0.1 ms:
        not for every chunk.
        """
        if model is None:
            return None
        if isinstance(usage, Mapping):
            tokens_in = count_of(usage.get("input_tokens"))
            tokens_out = count_of(usage.get("output_tokens"))
            parts = read_details(usage)
        else:
            tokens_in, tokens_out, parts = usage.input_tokens, usage.output_tokens, usage.parts
        parts = _within(parts, tokens_in, tokens_out)
        if model in self._own:
            with localcontext(EXACT):
                return _sane(_own_price(self._own[model], tokens_in, tokens_out, parts))
        library = load_prices()
        with localcontext(_LIBRARYS):
            price = _library_price(library, tokens_in, tokens_out, parts, model, provider)
        if price is None and (model, provider) not in self.unknown:
            self._tell(model, provider, installed=library is not None)
        return price

    def name_of(self, answered: str | None, asked: str | None) -> str | None:
        """By which of its names a model is priced: a provider may answer under another one than it
        was asked by (``gpt-4o-2024-08-06``), and the user has given a price for either.
        """
        return asked if asked in self._own and answered not in self._own else answered

    def priced(self, usage: Counted, model: str | None, provider: str | None) -> Priced:
        """The same, with what to say of a model without a price the first time it is met."""
        before = len(self.unknown)
        cost = self.price_of(usage, model, provider)
        new = cost is None and model is not None and len(self.unknown) > before
        return Priced(cost, self.unknown.get((model, provider)) if new and model else None)

    def _tell(self, model: str, provider: str | None, *, installed: bool) -> None:
        where = f" of provider {provider!r}" if provider else ""
        message = (
            f"no price is known for model {model!r}{where}: give it in US dollars per million "
            f'tokens, prices={{{model!r}: {{"input": ..., "output": ...}}}}'
        )
        if not installed:
            message += ", or install those of most models: pip install 'langchain-streamkit[cost]'"
        self.unknown[model, provider] = message
        if self._on_unknown is not None:
            self._on_unknown(message)


@functools.cache
def known_prices() -> Prices | None:
    """The prices of the extra ``cost``, for all runs of this process that bring none; None if it is
    not installed.
    """
    return None if importlib.util.find_spec("genai_prices") is None else Prices()


def price_of(
    usage: Counted | Mapping[str, object],
    model: str | None,
    provider: str | None = None,
    overrides: PriceTable | None = None,
) -> Decimal | None:
    """Return what one call costs in US dollars, as ``Prices`` says it; None if it is not known."""
    return Prices(overrides).price_of(usage, model, provider)


def cost_text(price: Decimal) -> str:
    """Return the price as it stands in JSON: all digits, no exponent, no trailing zeros."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def load_prices() -> ModuleType | None:
    """Import genai-prices and return it; None if the extra ``cost`` is not installed."""
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices


def _checked(model: str, table: object) -> dict[str, Decimal]:
    """The table of a model with all of its fields."""
    if not isinstance(table, Mapping):
        raise StreamUsageError(
            f"prices[{model!r}] is a {type(table).__name__}: write "
            '{"input": ..., "output": ...}, in US dollars per million tokens'
        )
    given = cast("Mapping[str, object]", table)
    wrong = [name for name in given if name not in FIELDS]
    if wrong:
        raise StreamUsageError(
            f"prices[{model!r}] has no field {wrong[0]!r}; there are {', '.join(FIELDS)}"
        )
    prices: dict[str, Decimal] = {}
    for name, fallback in FIELDS.items():
        if name in given:
            prices[name] = _dollars(model, name, given[name])
        elif fallback is None:
            raise StreamUsageError(f"prices[{model!r}] lacks {name!r}; write 0 if it is free")
        else:
            prices[name] = prices[fallback]
    return prices


def _dollars(model: str, name: str, value: object) -> Decimal:
    if (price := amount_of(value)) is not None:
        return price
    raise StreamUsageError(
        f"prices[{model!r}][{name!r}] is {value!r}: write US dollars per million tokens, as in "
        '0.25 or "0.25"'
    )


def _within(parts: TokenDetails, tokens_in: int, tokens_out: int) -> TokenDetails:
    """No part is more than the whole, whatever a provider says: that would make negative prices."""
    cache_read = min(parts.cache_read, tokens_in)
    cache_creation = min(parts.cache_creation, tokens_in - cache_read)
    return TokenDetails(
        cache_read=cache_read,
        cache_creation=cache_creation,
        cache_creation_1h=min(parts.cache_creation_1h, cache_creation),
        audio_input=min(parts.audio_input, tokens_in - cache_read - cache_creation),
        audio_output=min(parts.audio_output, tokens_out),
        service_tier=parts.service_tier,
    )


def _own_price(
    prices: dict[str, Decimal], tokens_in: int, tokens_out: int, parts: TokenDetails
) -> Decimal:
    short_lived = parts.cache_creation - parts.cache_creation_1h
    plain = tokens_in - parts.cache_read - parts.cache_creation - parts.audio_input
    return (
        prices["input"] * plain
        + prices["cache_read"] * parts.cache_read
        + prices["cache_creation"] * short_lived
        + prices["cache_creation_1h"] * parts.cache_creation_1h
        + prices["audio_input"] * parts.audio_input
        + prices["output"] * (tokens_out - parts.audio_output)
        + prices["audio_output"] * parts.audio_output
    ) / _MILLION


def _library_price(
    library: Any,
    tokens_in: int,
    tokens_out: int,
    parts: TokenDetails,
    model: str,
    provider: str | None,
) -> Decimal | None:
    if library is None:
        return None
    counts = {
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "cache_read_tokens": parts.cache_read,
        "cache_write_tokens": parts.cache_creation,
        "cache_write_1h_tokens": parts.cache_creation_1h,
        "input_audio_tokens": parts.audio_input,
        "output_audio_tokens": parts.audio_output,
    }
    tier = {"service_tier": parts.service_tier} if parts.service_tier else None
    try:
        found = library.calc_price(
            library.Usage(**{name: count for name, count in counts.items() if count}),
            model,
            provider_id=provider,
            price_context=tier,
        )
    except (LookupError, ValueError):  # unknown, or used in a way that it has no price for
        return None
    per_token = found.model_price
    if (tokens_in and per_token.input_mtok is None) or (
        tokens_out and per_token.output_mtok is None
    ):
        return None  # the model is listed, but not this price of it, which would count as 0
    price: Decimal = found.total_price
    return _sane(price)


def _sane(price: Decimal) -> Decimal | None:
    """What a usage record can hold of it: None beyond ``MAX_DOLLARS``, else up to 60 decimals."""
    if price >= MAX_DOLLARS:
        return None
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        return price.quantize(Decimal((0, (1,), -MAX_DECIMALS)), context=EXACT)
    return price
