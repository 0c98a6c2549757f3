"""What a call costs in US dollars: a price table handed in as a value, and the arithmetic over an event's usage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import msgspec

from undertow.drift.interaction import Interaction

__all__ = ["DatedPrice", "Lookup", "Price", "PriceTable"]

_MILLION = 1_000_000
_DAY_S = 86_400.0
_MAX_CACHED = 10_000
_MAX_UNPRICED = 1_000
_FOLDERS = re.compile(
    r"^(?:.*/)?(?:(?:us|eu|apac|global)\.)?(?:(?:anthropic|meta|amazon|mistral|cohere|ai21|deepseek)\.)?"
)
_SUFFIX = re.compile(r"(?:[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest|v\d+(?::\d+)?))+$")


class Price(msgspec.Struct, frozen=True):
    """US dollars per million tokens.

    Parameters
    ----------
    input, output
        Plain input and output tokens.
    cached, cache_write
        Input tokens read from and written to the provider's cache; None prices them as plain input.
    above
        Input tokens above which `dearer` holds for the whole call, as providers price long contexts.
    request
        Dollars a call, beside the tokens.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    above: int = 0
    dearer: Price | None = None
    request: float = 0.0

    def of(self, event: Interaction) -> float:
        """Return what the usage of the event costs, in dollars."""
        tokens = event.input_tokens or 0
        if self.dearer is not None and tokens > self.above:
            return self.dearer.of(event)
        cached, written = event.cached_tokens or 0, event.cache_write_tokens or 0
        plain = max(0, tokens - cached - written)
        dollars = plain * self.input + (event.output_tokens or 0) * self.output
        if cached or written:
            dollars += cached * (self.input if self.cached is None else self.cached)
            dollars += written * (self.input if self.cache_write is None else self.cache_write)
        return dollars / _MILLION + self.request


class DatedPrice(msgspec.Struct, frozen=True):
    """A price with the time from which it holds and the hours of the day (UTC) at which it does, in seconds."""

    price: Price
    since: float = float("-inf")
    day_from: float = 0.0
    day_to: float = _DAY_S

    def holds(self, time: float) -> bool:
        """Return whether the price holds at that event time."""
        second = time % _DAY_S
        if self.day_from <= self.day_to:
            return time >= self.since and self.day_from <= second < self.day_to
        return time >= self.since and (second >= self.day_from or second < self.day_to)


Lookup = Callable[
    [str | None, str], tuple[DatedPrice, ...]
]  # (provider, model) → its prices; later ones win; () = unknown


class PriceTable:
    """Prices of models by name.

    A name is tried as it is, then without its provider's folder ("openai/gpt-4o") and its date or version
    ("gpt-4o-2024-08-06"), first with the event's provider and then with any; the user's own prices go before the
    shipped ones. Names do not depend on case.

    Parameters
    ----------
    own
        The user's prices by model, or by "provider/model".
    lookup
        The shipped table.

    Examples
    --------
    >>> table = PriceTable({"gpt-4o": Price(input=2.5, output=10.0, cached=1.25)})
    >>> usage = {"input_tokens": 1000, "cached_tokens": 400}
    >>> table.cost(Interaction(id="1", time=0.0, service="s", model="gpt-4o-2024-08-06", **usage))
    0.002
    >>> table.cost(Interaction(id="2", time=0.0, service="s", model="our-own", input_tokens=1000)), dict(table.unpriced)
    (None, {'our-own': 1})
    """

    def __init__(self, own: Mapping[str, Price] | None = None, lookup: Lookup | None = None) -> None:
        self._own = {name.lower(): (DatedPrice(price),) for name, price in (own or {}).items()}
        self._lookup = lookup
        self._cache: dict[tuple[str | None, str], tuple[DatedPrice, ...]] = {}
        self.unpriced: Counter[str] = Counter()  # calls by model that is not in the table; past 1,000 names as "other"

    def cost(self, event: Interaction) -> float | None:
        """Return the cost of the call in dollars: its own figure, else priced; None when neither is possible.

        A model is what answered, else what was asked for. A call without any usage has no price; one that gives
        only its input tokens (an embedding) costs those.
        """
        if event.cost is not None:
            return event.cost
        model = event.response_model or event.model
        if not model or event.input_tokens is None:
            return None
        prices = self.prices(event.provider, model)
        if not prices:
            self._count(model)
            return None
        return (prices[0].price if len(prices) == 1 else _at(prices, event.time)).of(event)

    def prices(self, provider: str | None, model: str) -> tuple[DatedPrice, ...]:
        """Return the prices of a model, empty when the table does not know it."""
        key = (provider, model)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()  # names without end: start over rather than grow
            found = self._cache[key] = self._find(provider, model.lower())
        return found

    def _find(self, provider: str | None, model: str) -> tuple[DatedPrice, ...]:
        names = list(dict.fromkeys(_names(model)))
        for name in names:
            own = self._own.get(f"{provider}/{name}".lower()) or self._own.get(name)
            if own:
                return own
        if self._lookup is None:
            return ()
        tries = ((p, name) for name in names for p in dict.fromkeys((provider, None)))
        return next((found for p, name in tries if (found := self._lookup(p, name))), ())

    def _count(self, model: str) -> None:
        self.unpriced[model if model in self.unpriced or len(self.unpriced) < _MAX_UNPRICED else "other"] += 1


def _names(model: str) -> Iterator[str]:
    bare = _FOLDERS.sub("", model)
    yield from (model, bare, _SUFFIX.sub("", model), _SUFFIX.sub("", bare))


def _at(prices: tuple[DatedPrice, ...], time: float) -> Price:
    return next((dated.price for dated in reversed(prices) if dated.holds(time)), prices[0].price)
