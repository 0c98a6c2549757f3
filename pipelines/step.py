"""What one batch of events led to, on its way through the process."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.alerts.incident import Change, Version
from undertow.drift.cards import Card
from undertow.drift.interaction import Interaction
from undertow.drift.newcomers import Seen
from undertow.drift.spend import SpendRow
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Verdict
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.meter import Measures
from undertow.pipelines.vector_meter import VectorMeasures

__all__ = ["Sighting", "Step"]


class Sighting(msgspec.Struct):
    """The calls that were counted, beside what was measured of them: from these changes are explained.

    Parameters
    ----------
    dims
        The values of the configured dimensions, call by call.
    values
        Measures (calls, columns).
    windows
        Starts of the calls' windows, seconds since the epoch.
    vectors
        Embeddings of some of the calls.
    in_turn
        What tells of versions whatever its own time, each with the watermark at which it was read.
    """

    events: list[Interaction]
    dims: list[tuple[str | None, ...]]
    values: Floats
    windows: Floats
    vectors: list[VectorMeasures]
    in_turn: list[tuple[float, Interaction]]


class Step(msgspec.Struct):
    """What one batch of events led to.

    `events` are the new ones (late ones included), `measured` what they say; `late` marks those that came too late to
    be counted. `found` is what rules found, `spent` are the hours of spending that closed, `versions` what defines
    behaviour and is new. `verdicts`, `changes` and `cards` (what differs on new versions) are added by whoever judges
    the windows. `seen` is what ran on which versions in windows that have closed, where somebody else follows them.
    """

    events: list[Interaction]
    measured: Measures
    late: NDArray[np.bool_]
    windows: list[ClosedWindow]
    verdicts: list[Verdict] = []
    changes: list[Change] = []
    spent: list[SpendRow] = []
    versions: list[Version] = []
    found: list[Verdict] = []
    cards: list[Card] = []
    sighting: Sighting | None = None
    seen: list[Seen] = []
