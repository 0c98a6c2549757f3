"""What events are about: the calls that are to be embedded, their vectors, and the slices in which they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import Catalogue
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.sampling import Sampling, SamplingState
from undertow.drift.signal import Batch, VectorSignal
from undertow.drift.signals import VECTORS
from undertow.drift.statistics.proportions import Floats
from undertow.drift.vectors import VectorSource
from undertow.pipelines import embedders
from undertow.pipelines.settings import Settings

__all__ = ["VectorMeasures", "VectorMeter", "build"]


class VectorMeasures(NamedTuple):
    """The vectors of one metric, as `Windows.add_vectors` takes them; `rows` are the events that they are from."""

    rows: NDArray[np.int64]
    times: Floats
    groups: NDArray[np.int32]
    number: int
    vectors: NDArray[np.int16]


class VectorMeter:
    """Embeds what calls say, within the budget.

    Parameters
    ----------
    signals
        By the number of their metric.
    sampling
        Chooses the events when they exceed the budget; None where nothing is computed, so that all count.

    Examples
    --------
    >>> from undertow.drift.interaction import Embedding
    >>> from undertow.drift.signals.input_centroid import InputCentroid
    >>> meter = VectorMeter({7: InputCentroid()}, None)
    >>> calls = [Interaction(id=id, time=1.0, service="s", embedding=Embedding(input=[2.0])) for id in "ab"]
    >>> (measured,) = meter.measure(calls, np.array([1.0, 1.0]), np.array([[0], [0]], np.int32))
    >>> measured.number, measured.vectors[:, 0]
    (7, array([4096, 4096], dtype=int16))
    """

    def __init__(
        self, signals: Mapping[int, VectorSignal], sampling: Sampling | None, source: VectorSource | None = None
    ) -> None:
        self._signals, self.sampling = signals, sampling
        self._source = source or VectorSource()

    @property
    def embedder(self) -> str:
        """What makes the vectors; those of two makers cannot be compared."""
        return self._source.name

    @property
    def skipped(self) -> Mapping[str, int]:
        """Why vectors that events carry were left out, and how many."""
        return self._source.skipped

    def measure(
        self, events: Sequence[Interaction], times: Floats, groups: NDArray[np.int32]
    ) -> Iterator[VectorMeasures]:
        """Yield the vectors by metric; give it the events that are in time, each once, in the order read.

        `groups` (n, g) are the slices of each event, −1 for none.
        """
        rows = np.flatnonzero([_embeddable(event) for event in events])
        kept = groups[rows]
        if self.sampling is not None:
            kept = self.sampling.admit([events[row] for row in rows.tolist()], times[rows], kept)
        taken = (kept >= 0).any(axis=1)
        rows, kept = rows[taken], kept[taken]
        batch = Batch([events[row] for row in rows.tolist()])
        for number, signal in self._signals.items():
            found, vectors = signal.embed(batch)
            yield VectorMeasures(rows[found], times[rows[found]], kept[found], number, vectors)


def build(settings: Settings, catalogue: Catalogue, state: SamplingState | None = None) -> VectorMeter:
    """Return the meter that the settings ask for; its model is loaded, which takes a moment.

    Raises
    ------
    undertow.pipelines.embedders.EmbedderError
        There is no such model.
    """
    chosen, off = settings.embeddings, set(settings.detection.metrics_off)
    if chosen.source == "off":
        return VectorMeter({}, None)
    source = VectorSource(embedders.build(chosen.source), chosen.coordinates)
    signals = {catalogue.numbers[name]: kind(source) for name, kind in VECTORS.items() if name not in off}
    if chosen.source == "event":  # nothing is computed: no budget
        return VectorMeter(signals, None, source)
    budget = chosen.events_per_s or embedders.default_budget(chosen.source)
    ingest = settings.ingest
    return VectorMeter(signals, Sampling(budget, ingest.window_s, ingest.allowed_lateness_s, state), source)


def _embeddable(event: Interaction) -> bool:
    """Return whether it is a call that says something."""
    return event.kind is Kind.CALL and not (event.input is None and event.output is None and event.embedding is None)
