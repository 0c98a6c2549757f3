"""What classifiers, routers and triage decided."""

from __future__ import annotations

from undertow.drift.signal import Batch

__all__ = ["LabelMix"]

_LONGEST = 80  # characters; what is longer is a text, not a category
_TEXT = "(a text)"


class LabelMix:
    """The category that the output decided, as it was written.

    Unit: share of decisions by label. Harm: both ways. Cost: 0.1 µs an event. White space around a label does not
    matter; case does, since what reads the label may care. Empty labels and failed calls say nothing; anything above
    80 characters or of several lines is somebody's text and counts as "(a text)", whatever it says.

    It cannot see a wrong decision: only that decisions fall otherwise than they did. When the inputs changed too, the
    users may have.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> calls = [Interaction(id="1", time=0.0, service="s", label=label) for label in (" refund", "", None)]
    >>> LabelMix().classify(Batch(calls))
    ['refund', None, None]
    """

    metric = "label_mix"

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the label of each call."""
        return [
            None if failed or not event.label else _category(event.label)
            for event, failed in zip(batch.events, batch.failed, strict=True)
        ]


def _category(label: str) -> str | None:
    bare = label.strip()
    return _TEXT if len(bare) > _LONGEST or "\n" in bare else bare or None
