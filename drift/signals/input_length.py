"""How long the users' inputs are."""

from __future__ import annotations

from undertow.drift.signal import Batch, Column, column

__all__ = ["InputLength"]


class InputLength:
    """Characters of what the user said.

    Unit: characters (Unicode code points). Harm: both ways; a shift says that the users, or what is sent in their name,
    changed. Cost: 0.1 µs an event. Of a list of messages all with the role `user` (or none) count: system prompts, the
    model's earlier turns and tool results never do. A conversation that is sent again with each turn therefore grows.
    Events without an input say nothing.

    It cannot see a change of topic, and counts a template that the application wraps around the user's words.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction, Message
    >>> asked = [Message("system", "Be brief."), Message("user", "Why?")]
    >>> InputLength().measure(Batch([Interaction(id="1", time=0.0, service="s", input=asked)]))
    array([4.])
    """

    metric = "input_length"

    def measure(self, batch: Batch) -> Column:
        """Return the length of each user input."""
        return column([None if text is None else len(text) for text in batch.inputs])
