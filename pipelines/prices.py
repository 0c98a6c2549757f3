"""What is shipped about models, with the user's own on top, no network: prices, and dates of retirement.

Prices are the data inside `genai-prices`, dates those of retirement.toml beside this file.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from undertow.drift.prices import DatedPrice, Price, PriceTable
from undertow.drift.retirement import Retirements
from undertow.pipelines import settings

__all__ = ["price_table", "retirements", "shipped"]

_PER_THOUSAND = 1_000
# Names of providers in OpenTelemetry and LiteLLM that the package does not know → its own.
_PROVIDERS = {
    "azure.ai.inference": "azure",
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}


def price_table(own: Mapping[str, settings.Price | list[settings.Price]]) -> PriceTable:
    """Return the table that prices events: the user's prices first, the shipped ones after.

    Of several prices of a model the latest begun holds.

    Examples
    --------
    >>> table = price_table({"our-own": settings.Price(input=1.0, output=2.0)})
    >>> table.prices(None, "our-own")[0].price.output
    2.0
    >>> table.prices("openai", "gpt-4o-2024-08-06")[0].price.output
    10.0
    """
    return PriceTable({name: _own(prices) for name, prices in own.items()}, shipped())


def _own(prices: settings.Price | list[settings.Price]) -> list[DatedPrice]:
    dated = [
        DatedPrice(
            Price(price.input, price.output, price.cached, price.cache_write),
            float("-inf") if price.since is None else _midnight(price.since),
        )
        for price in (prices if isinstance(prices, list) else [prices])
    ]
    return sorted(dated, key=lambda one: one.since)


def retirements(own: Mapping[str, date] | None = None) -> Retirements:
    """Return when models are switched off: the user's dates first, the shipped ones after.

    Examples
    --------
    >>> dates = retirements({"our-own-model": date(2030, 1, 1)})
    >>> for provider, model in ((None, "our-own-model"), ("openai", "gpt-4o-2024-08-06")):
    ...     whose, at = dates.of(provider, model)
    ...     print(whose, datetime.fromtimestamp(at, UTC).date())
    configuration 2030-01-01
    openai 2027-01-14
    """
    text = (importlib.resources.files(__package__) / "retirement.toml").read_text()
    by_provider = {provider: _midnights(dates) for provider, dates in tomllib.loads(text).items()}
    return Retirements(by_provider, _midnights(own or {}))


def _midnights(dates: Mapping[str, date]) -> dict[str, float]:
    return {name: _midnight(day) for name, day in dates.items()}


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def shipped() -> _Shipped:
    """Return the prices inside the installed package, loaded at their first use (about a tenth of a second)."""
    return _Shipped()


class _Shipped:
    """A `Lookup` over the package's own snapshot, built here so that nobody's updater can swap it."""

    def __init__(self) -> None:
        self._snapshot: DataSnapshot | None = None

    def __call__(self, provider: str | None, model: str) -> tuple[DatedPrice, ...]:
        """Return the prices of a model; empty when the package does not know the provider or the model."""
        try:
            _, info = self._loaded().find_provider_model(model, None, _PROVIDERS.get(provider or "", provider), None)
        except LookupError:
            return ()
        return _dated(info)

    def _loaded(self) -> DataSnapshot:
        if self._snapshot is None:
            from genai_prices.data import providers  # 1.6 MB of tables: read only when something must be priced

            self._snapshot = DataSnapshot(providers=providers, from_auto_update=False)
        return self._snapshot


def _dated(info: ModelInfo) -> tuple[DatedPrice, ...]:
    if isinstance(info.prices, ModelPrice):
        price = _price(info.prices)
        return () if price is None else (DatedPrice(price),)
    found = (_conditional(conditional) for conditional in info.prices)
    return tuple(dated for dated in found if dated is not None)


def _conditional(conditional: ConditionalPrice) -> DatedPrice | None:
    price, constraint = _price(conditional.prices), conditional.constraint
    if price is None:
        return None
    if isinstance(constraint, StartDateConstraint):
        return DatedPrice(price, since=_midnight(constraint.start_date))
    if isinstance(constraint, TimeOfDateConstraint):
        return DatedPrice(price, day_from=_second(constraint.start_time), day_to=_second(constraint.end_time))
    return DatedPrice(price)


def _second(at: time) -> float:
    """Return the second of the day in UTC."""
    offset = at.utcoffset()
    return (at.hour * 3600 + at.minute * 60 + at.second - (offset.total_seconds() if offset else 0)) % 86_400.0


def _price(prices: ModelPrice) -> Price | None:
    """Return the price for tokens; None for a model that is sold by another unit (hours, pages, characters)."""
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    starts = sorted(
        {tier.start for value in vars(prices).values() if isinstance(value, TieredPrices) for tier in value.tiers}
    )
    price: Price | None = None
    for above in reversed([-1, *starts]):  # dearest first: each cheaper price refers to the next dearer one
        price = _flat(prices, above, price, starts)
    return price


def _flat(prices: ModelPrice, above: int, dearer: Price | None, starts: list[int]) -> Price:
    following = next((start for start in starts if start > above), 0)
    return Price(
        input=_dollars(prices.input_mtok, above) or 0.0,
        output=_dollars(prices.output_mtok, above) or 0.0,
        cached=_dollars(prices.cache_read_mtok, above),
        cache_write=_dollars(prices.cache_write_mtok, above),
        above=following,
        dearer=dearer,
        request=(_dollars(prices.requests_kcount, above) or 0.0) / _PER_THOUSAND,
    )


def _dollars(value: Decimal | TieredPrices | None, above: int) -> float | None:
    """Return the price that holds for calls of more than `above` input tokens."""
    if not isinstance(value, TieredPrices):
        return None if value is None else float(value)
    holding = [tier.price for tier in value.tiers if tier.start <= above]
    return float(holding[-1] if holding else value.base)
