"""When models are switched off: announced dates by provider and name, handed in as values.

A retired model answers "not found"; the only thing to watch beforehand is the calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from undertow.drift.prices import bare_name

__all__ = ["ModelSeen", "Retirements", "Retiring", "family_of"]

_DAY_S = 86_400.0
# A piece of a provider's name in an event → the name in the table; the first that fits holds ("gcp.vertex_ai").
_FAMILIES = (
    ("azure", "azure"),
    ("bedrock", "bedrock"),
    ("aws", "bedrock"),
    ("amazon", "bedrock"),
    ("vertex", "vertex"),
    ("gemini", "gemini"),
    ("gcp", "vertex"),
    ("google", "gemini"),
)


class ModelSeen(msgspec.Struct, frozen=True, order=True):
    """A model that traffic runs on."""

    model: str
    provider: str | None = None
    calls: int = 0


class Retiring(msgspec.Struct, frozen=True, order=True):
    """A model in use whose end has been announced.

    Parameters
    ----------
    days
        From now to the end; negative when it is over.
    at
        Seconds since the epoch, the start of the day (UTC) on which it is switched off.
    announced_by
        The provider whose date it is: that of the traffic, or the earliest one when the traffic does not say.
    """

    days: float
    at: float
    model: str
    announced_by: str
    calls: int = 0


class Retirements:
    """Dates on which models are switched off, by provider.

    A name is tried as it is and without its folder, region and vendor, never without its date: a dated model and its
    alias end on different days. The user's own dates go before the shipped ones and hold for every provider.

    Parameters
    ----------
    shipped
        Provider → model → seconds since the epoch.
    own
        Model, or "provider/model" → seconds since the epoch.

    Examples
    --------
    >>> dates = Retirements({"openai": {"old": 864_000.0}, "azure": {"old": 1_728_000.0}})
    >>> dates.of("azure.ai.openai", "old"), dates.of(None, "openai/old"), dates.of("openai", "new")
    (('azure', 1728000.0), ('openai', 864000.0), None)
    >>> [(one.model, one.days) for one in dates.due([ModelSeen("old", "openai")], now=0.0, within_days=30)]
    [('old', 10.0)]
    """

    def __init__(
        self, shipped: Mapping[str, Mapping[str, float]] | None = None, own: Mapping[str, float] | None = None
    ) -> None:
        self._shipped = {
            provider: {bare_name(name): at for name, at in dates.items()} for provider, dates in (shipped or {}).items()
        }
        self._own = {name.lower(): at for name, at in (own or {}).items()}

    def of(self, provider: str | None, model: str) -> tuple[str, float] | None:
        """Return whose date it is and the time at which the model is switched off; None when none is known."""
        name, bare = model.lower(), bare_name(model)
        for own in (f"{provider}/{name}".lower(), name, bare):
            if own in self._own:
                return "configuration", self._own[own]
        family = family_of(provider) if provider else ""
        if family in self._shipped:
            at = self._shipped[family].get(bare)
            return None if at is None else (family, at)
        known = [(dates[bare], other) for other, dates in self._shipped.items() if bare in dates]
        return min(known)[::-1] if known else None

    def due(self, seen: Iterable[ModelSeen], now: float, within_days: float = 90.0) -> list[Retiring]:
        """Return the models that are switched off within so many days, or were already, the nearest first."""
        found = []
        for one in seen:
            date = self.of(one.provider, one.model)
            if date is not None and date[1] - now <= within_days * _DAY_S:
                days = (date[1] - now) / _DAY_S
                found.append(Retiring(days, date[1], one.model, date[0], one.calls))
        return sorted(found)


def family_of(provider: str) -> str:
    """Return the name under which the table files a provider's dates.

    Examples
    --------
    >>> family_of("aws.bedrock"), family_of("gcp.vertex_ai"), family_of("OpenAI"), family_of("mistral_ai")
    ('bedrock', 'vertex', 'openai', 'mistral')
    """
    name = provider.lower()
    return next((family for piece, family in _FAMILIES if piece in name), name.removesuffix("_ai"))
