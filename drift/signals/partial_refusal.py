"""Which answers refuse a part and give the rest."""

from __future__ import annotations

from undertow.drift.refusal_model import Answer
from undertow.drift.refusals import refusals
from undertow.drift.signal import Batch, Column, column

__all__ = ["PartialRefusal"]


class PartialRefusal:
    r"""Whether the answer declines a part of what was asked, or gives something near to it under a reservation.

    Unit: share of answers. Harm: both ways; a rise is the first sign of a model that grows evasive, while plain
    refusals stay rare. Cost: 0.1 µs an event beyond `refusal_rate`, which judges the text for both.

    What is counted here is counted in `refusal_rate` too. Verdicts of the caller and of the provider know no parts and
    count as whole refusals or none; so the rate is zero where all events carry one.

    It cannot see what a part is worth: an answer that withholds one name and one that gives a mere outline are alike.
    The border to whole refusals is soft, people disagree on it too, so read it as a trend beside `refusal_rate`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> text = "I can't give legal advice. However, here are some general points:\n1. Keep every letter."
    >>> PartialRefusal().measure(Batch([Interaction(id="1", time=0.0, service="s", output=text)]))
    array([1.])
    """

    metric = "partial_refusal_rate"

    def measure(self, batch: Batch) -> Column:
        """Return 1 for each answer that refuses a part."""
        return column([None if answer is None else answer is Answer.PARTIAL for answer in refusals(batch)])
