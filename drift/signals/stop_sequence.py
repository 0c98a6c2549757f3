"""Which answers a caller's stop sequence ended."""

from __future__ import annotations

from undertow.drift.finish import Finish
from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch, Column, column

__all__ = ["StopSequence"]

_SILENT = (None, Finish.UNKNOWN, Finish.ERROR, Finish.CANCELLED)


class StopSequence:
    """Whether a stop sequence that the caller gave ended the answer, by design or because the text happened to hold it.

    Unit: share of answers. Harm: both ways; a rise cuts answers off in mid-thought (a user pastes the delimiter), a
    fall says that the model no longer writes what the parser waits for. Cost: 0.2 µs an event. The finish reason says
    so, or `stop_sequence` names it. Calls without either, and failed calls, say nothing.

    It cannot see it where the provider says `stop` for both and names no sequence (OpenAI's chat completions): there
    the cut answers stand in `output_length.low`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> calls = [Interaction(id="1", time=0.0, service="s", finish_reason=raw) for raw in ("end_turn", "stop_sequence")]
    >>> StopSequence().measure(Batch(calls))
    array([0., 1.])
    """

    metric = "stop_sequence_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that a stop sequence ended."""
        rows = zip(batch.events, batch.finishes, batch.failed, strict=True)
        return column([None if failed else _stopped(event, finish) for event, finish, failed in rows])


def _stopped(event: Interaction, finish: Finish | None) -> bool | None:
    if finish is Finish.STOP_SEQUENCE or (event.stop_sequence and finish in (None, Finish.STOP, Finish.UNKNOWN)):
        return True
    return None if finish in _SILENT else False
