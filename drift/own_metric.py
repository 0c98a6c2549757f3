"""The contract of a metric of the user's own, one line of configuration: a pattern gives a rate, a field a mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from undertow.drift.interaction import Interaction
from undertow.drift.metrics import Family, Metric, own_metric
from undertow.drift.patterns import Pattern

__all__ = ["OwnMetric", "field_reader"]

_LONGEST_NAME = 64
_LONGEST_PATH = 16  # names of a path
_MAPS = ("attributes", "config", "scores")
_NUMBERS = (
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("cost", "latency", "time_to_first_token", "http_status", "turn"),
)
_CHOICES = {"on": ("output", "input"), "scale": ("linear", "log"), "harm": ("up", "down", "both", "none")}


@dataclass(frozen=True)
class OwnMetric:
    """A metric as the configuration declares it: either a pattern or a field.

    Parameters
    ----------
    name
        Letters, digits and underscores; not the name of a metric that Undertow has.
    pattern, on
        RE2, searched in the "output" (default) or the "input": the share of texts that match is followed.
    field
        Where a number stands: "attributes.basket_eur", "config.temperature", "scores.rating", a numeric field of the
        event ("turn"), a path into the JSON that an answer holds ("output.order.total", "output.items.0.price"), or
        "output" for an answer that is nothing but a number. True counts as 1, a list as its length.
    scale
        Fields only: "linear", or "log" for amounts ≥ 0 with a long tail, such as money, sizes and durations.
    harm
        "up" when a rise hurts, "down" when a fall does, "both" or "none".

    Raises
    ------
    ValueError
        A value cannot be used; the message names the metric, the value and the reason.
    """

    name: str
    pattern: str | None = None
    on: str = "output"
    field: str | None = None
    scale: str = "linear"
    harm: str = "both"
    unit: str = ""

    def __post_init__(self) -> None:
        where = f"metric '{self.name[:_LONGEST_NAME]}'"
        if len(self.name) > _LONGEST_NAME:
            raise ValueError(f"{where}: the name is longer than {_LONGEST_NAME} characters")
        if (self.pattern is None) == (self.field is None):
            raise ValueError(f"{where}: give either `pattern`, for a rate, or `field`, for a mean")
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise ValueError(f"{where}: {key} = '{getattr(self, key)}' is not one of {', '.join(allowed)}")
        try:
            _ = self.metric
            field_reader(self.field) if self.field is not None else Pattern(self.pattern or "")
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error

    @property
    def metric(self) -> Metric:
        """The row of the metric table."""
        if self.pattern is not None:
            title = f"{self.on}s that match {self.name}"
            return own_metric(self.name, Family.RATE, "share of events", title, self.harm)
        family = Family.POSITIVE if self.scale == "log" else Family.SCORE
        return own_metric(self.name, family, self.unit, self.name.replace("_", " "), self.harm)


def field_reader(field: str) -> Callable[[Interaction], Any]:
    """Return the function that reads a field off an event; for a path into the answer, the one that reads nothing."""
    root, _, key = field.partition(".")
    names = field.split(".")
    if "" in names or len(names) > _LONGEST_PATH:
        raise ValueError(f"field = '{field}' is no path: names joined by dots are expected, {_LONGEST_PATH} at most")
    if root == "output":
        return lambda event: None
    if root in _MAPS and key:
        return lambda event: table.get(key) if (table := getattr(event, root)) else None
    if field in _NUMBERS:
        return lambda event: getattr(event, field)
    raise ValueError(
        f"field = '{field}' names no number of an event; begin with attributes., config., scores. or output., "
        f"or name one of {', '.join(_NUMBERS)}"
    )
