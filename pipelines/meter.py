"""What each event says about every metric, by itself: signals and prices, no memory of other events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories, number_of
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.prices import Charge, PriceTable
from undertow.drift.signal import Batch, CategorySignal, Signal
from undertow.drift.signals import ALSO_TOOLS, CATEGORIES, SIGNALS
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.own import own_signal
from undertow.drift.signals.schema_violation import SchemaViolation
from undertow.drift.signals.schema_violation_kind import SchemaViolationKind
from undertow.drift.signals.tool_schema_violation import ToolSchemaViolation
from undertow.drift.statistics.proportions import Floats
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.settings import Settings

__all__ = ["Measures", "Meter"]

_ALWAYS = "error_rate"  # every call says it: coverage is told against it
_NAMES = 10_000  # categories whose name has passed the content policy
_OF_TEXTS = frozenset({"output_structure", "schema_violation", "tool_schema_violation"})  # keys are parts of a text


class Measures(NamedTuple):
    """A batch as measured.

    Parameters
    ----------
    values
        (events, metrics), the metrics in the order of `Catalogue.columns`; NaN where an event does not say.
    charges
        What each event cost; None for what is no call and for what cannot be priced.
    """

    values: Floats
    charges: list[Charge | None]

    @property
    def costs(self) -> Floats:
        """US dollars of each event, NaN where they are not known."""
        return np.array([np.nan if charge is None else charge.total for charge in self.charges], np.float64)


class Meter:
    """Measures events; the same event gives the same numbers in any batch.

    Examples
    --------
    >>> from undertow.pipelines.settings import Settings
    >>> catalogue = Catalogue()
    >>> meter = Meter(Settings(), PriceTable(), catalogue, Categories())
    >>> measured = meter.measure([Interaction(id="1", time=0.0, service="s", output="Hello")])
    >>> float(measured.values[0, catalogue.columns["output_length"]])
    5.0
    """

    def __init__(self, settings: Settings, prices: PriceTable, catalogue: Catalogue, categories: Categories) -> None:
        self.prices = prices
        self.signals, self._kinds = _signals(settings), _category_signals(settings)
        self._catalogue, self._categories = catalogue, categories
        self._named = lru_cache(maxsize=_NAMES)(_names(settings))

    @property
    def unchecked(self) -> int:
        """How many answers and tool calls had a schema and could not be judged by it."""
        skipped = [s.skipped for s in self.signals if isinstance(s, SchemaViolation | ToolSchemaViolation)]
        return sum(sum(reasons.values()) for reasons in skipped)

    def nothing(self, rows: int) -> Measures:
        """Return measures in which no event says anything."""
        return Measures(np.full((rows, len(self._catalogue.columns)), np.nan), [None] * rows)

    def measure(self, events: Sequence[Interaction]) -> Measures:
        """Return what the calls and tools among the events say; other kinds say nothing by themselves."""
        measured, columns = self.nothing(len(events)), self._catalogue.columns
        calls, tools = _rows(events, Kind.CALL), _rows(events, Kind.TOOL)
        batch = Batch([events[row] for row in calls])
        for signal in self.signals:
            measured.values[calls, columns[signal.metric]] = signal.measure(batch)
            if len(tools) and signal.metric in ALSO_TOOLS:
                measured.values[tools, columns[signal.metric]] = signal.measure(Batch([events[row] for row in tools]))
        for kind in self._kinds:
            names = (name and self._named(kind.metric, name) for name in kind.classify(batch))
            measured.values[calls, columns[kind.metric]] = self._categories.numbers(names)
        for row, event in zip(calls.tolist(), batch.events, strict=True):
            measured.charges[row] = self.prices.charge(event)
        return measured


def _rows(events: Sequence[Interaction], kind: Kind) -> NDArray[np.intp]:
    """Return where the events of a kind stand, as the array that numpy would make of a list again for every metric."""
    return np.flatnonzero([event.kind is kind for event in events])


def _names(settings: Settings) -> Callable[[str, str], str]:
    """Return the function that says what may be kept of a category's name."""
    ingest = settings.ingest
    masks = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)

    def named(metric: str, name: str) -> str:
        if ingest.content == "none" and metric in _OF_TEXTS:
            return f"#{number_of(name):06x}"
        return masks.text(name) or ""

    return named


def _chosen(names: Iterable[str], settings: Settings) -> list[str]:
    off = set(settings.detection.metrics_off) - {_ALWAYS}
    return [name for name in names if name not in off]


def _signals(settings: Settings) -> list[Signal]:
    chosen = [SIGNALS[name] for name in _chosen(SIGNALS, settings)]
    shipped = [SchemaViolation(settings.ingest.schemas) if signal is SchemaViolation else signal() for signal in chosen]
    return [*shipped, *map(own_signal, settings.own_metrics)]


def _category_signals(settings: Settings) -> list[CategorySignal]:
    made: dict[type, Callable[[], CategorySignal]] = {
        SchemaViolationKind: lambda: SchemaViolationKind(settings.ingest.schemas),
        ConfigMix: lambda: ConfigMix(settings.fleet.ignore),
    }
    kinds = [CATEGORIES[name] for name in _chosen(CATEGORIES, settings)]
    return [made.get(kind, kind)() for kind in kinds]
