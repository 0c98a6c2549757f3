"""What a call costs in US dollars: a price table handed in as a value, and the arithmetic over an event's usage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from undertow.drift.interaction import Interaction
from undertow.drift.usage import Fault, Usage, usage_of

__all__ = ["Charge", "DatedPrice", "Lookup", "Price", "PriceTable", "bare_name"]

MOST_COST = 1e6  # US dollars of one call; more is a slip of unit
_MILLION = 1_000_000
_DAY_S = 86_400.0
_MAX_CACHED = 10_000
_MAX_UNPRICED = 1_000
_FOLDERS = re.compile(
    r"^(?:.*/)?(?:(?:us|eu|apac|global)\.)?(?:(?:anthropic|meta|amazon|mistral|cohere|ai21|deepseek)\.)?"
)
_SUFFIX = re.compile(r"(?:[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest|v\d+(?::\d+)?))+$")


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What one call costs, US dollars, and for which tokens.

    Parameters
    ----------
    total
        All of it.
    plain, cached, written, output
        The parts for plain, cached and cache-written input tokens and for output tokens. All 0 when the event states a
        cost of a model that is not in the table: nobody can tell.
    """

    total: float
    plain: float = 0.0
    cached: float = 0.0
    written: float = 0.0
    output: float = 0.0

    def scaled(self, total: float) -> Charge:
        """Return the same proportions of another total: what was paid when the list says something else."""
        if not self.total:
            return Charge(total)
        by = total / self.total
        return Charge(total, self.plain * by, self.cached * by, self.written * by, self.output * by)


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

    def charge(self, usage: Usage) -> Charge:
        """Return what the tokens cost.

        Examples
        --------
        >>> Price(input=1.0, output=4.0, cached=0.1).charge(Usage(plain=1_000_000, cached=1_000_000, output=500_000))
        Charge(total=3.1, plain=1.0, cached=0.1, written=0.0, output=2.0)
        """
        if self.dearer is not None and usage.input > self.above:
            return self.dearer.charge(usage)
        plain = usage.plain * self.input / _MILLION
        cached = written = 0.0
        if usage.cached:
            cached = usage.cached * (self.input if self.cached is None else self.cached) / _MILLION
        if usage.written:
            written = usage.written * (self.input if self.cache_write is None else self.cache_write) / _MILLION
        output = usage.output * self.output / _MILLION
        return Charge(plain + cached + written + output + self.request, plain, cached, written, output)


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
    ("gpt-4o-2024-08-06"), all of that first with the event's provider (the folder, when the event names none), then
    with any; the user's own prices go before the shipped ones. Names do not depend on case.

    Parameters
    ----------
    own
        The user's prices by model, or by "provider/model": one, or several with the days from which they hold.
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

    def __init__(
        self, own: Mapping[str, Price | Sequence[DatedPrice]] | None = None, lookup: Lookup | None = None
    ) -> None:
        self._own = {
            name.lower(): (DatedPrice(price),) if isinstance(price, Price) else tuple(price)
            for name, price in (own or {}).items()
        }
        self._lookup = lookup
        self._cache: dict[tuple[str | None, str], tuple[DatedPrice, ...]] = {}
        self.unpriced: Counter[str] = Counter()  # calls by model that is not in the table; past 1,000 names as "other"
        self.refused: Counter[str] = Counter()  # calls by why their figures are not used

    def cost(self, event: Interaction) -> float | None:
        """Return the cost of the call in dollars: its own figure, else priced; None when neither is possible."""
        charge = self.charge(event)
        return None if charge is None else charge.total

    def charge(self, event: Interaction) -> Charge | None:
        """Return the cost of the call in its parts; None when it has none or its figures cannot be true.

        The event's own cost wins over the list, which then only says for which tokens it was paid. A model is what
        answered, else what was asked for. A call without any usage has no price; one that gives only its input tokens
        (an embedding) costs those.
        """
        usage = usage_of(event)
        stated = event.cost
        if stated is not None and not 0 <= stated <= MOST_COST:  # false for NaN, too
            usage = Fault.COST
        if isinstance(usage, Fault):
            self.refused[usage.value] += 1
            return None
        listed = self._listed(event, usage, stated is None)
        if stated is None:
            return listed
        return Charge(stated) if listed is None else listed.scaled(stated)

    def changes(self, provider: str | None, model: str, start: float, end: float) -> tuple[DatedPrice, ...]:
        """Return the prices of a model that began to hold after `start` and not after `end`, oldest first.

        Examples
        --------
        >>> table = PriceTable({"m": [DatedPrice(Price(1.0, 4.0)), DatedPrice(Price(2.0, 8.0), since=100.0)]})
        >>> [dated.price.output for dated in table.changes(None, "m", 0.0, 200.0)]
        [8.0]
        """
        found = (dated for dated in self.prices(provider, model) if start < dated.since <= end)
        return tuple(sorted(found, key=lambda dated: dated.since))

    def at(self, provider: str | None, model: str, time: float) -> Price | None:
        """Return the price of a model at an event time; None when the table does not know it."""
        prices = self.prices(provider, model)
        return _at(prices, time) if prices else None

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
        folder, slash, _ = model.partition("/")
        providers = (provider or (folder if slash else None), None)
        tries = ((p, name) for p in dict.fromkeys(providers) for name in names)
        return next((found for p, name in tries if (found := self._lookup(p, name))), ())

    def _listed(self, event: Interaction, usage: Usage | None, counted: bool) -> Charge | None:
        """Return what the table says; `counted` when nobody else says it, so that an unknown model is missed."""
        model = event.response_model or event.model
        if not model or usage is None or event.input_tokens is None:
            return None
        prices = self.prices(event.provider, model)
        if prices:
            return (prices[0].price if len(prices) == 1 else _at(prices, event.time)).charge(usage)
        if counted:
            self._count(model)
        return None

    def _count(self, model: str) -> None:
        self.unpriced[model if model in self.unpriced or len(self.unpriced) < _MAX_UNPRICED else "other"] += 1


def bare_name(model: str) -> str:
    """Return a model's name in lower case, without its provider's folder, region and vendor.

    Examples
    --------
    >>> bare_name("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    'claude-sonnet-4-5-20250929-v1:0'
    """
    return _FOLDERS.sub("", model.lower())


def _names(model: str) -> Iterator[str]:
    bare = bare_name(model)
    yield from (model, model.partition("/")[2] or model, bare, _SUFFIX.sub("", model), _SUFFIX.sub("", bare))


def _at(prices: tuple[DatedPrice, ...], time: float) -> Price:
    return next((dated.price for dated in reversed(prices) if dated.holds(time)), prices[0].price)
