"""Which model answered."""

from __future__ import annotations

from undertow.drift.definition import shortened
from undertow.drift.interaction import Interaction
from undertow.drift.signal import Batch

__all__ = ["ModelMix"]

_LONGEST = 80  # characters of a name


class ModelMix:
    """The model that answered, by its provider's own name for it; where that is not recorded, the one asked for.

    Unit: share of answers by model. Harm: none by itself: it is recorded, and a suspect when behaviour moves.
    Cost: 0.1 µs an event. Failed calls say nothing: most carry only the name asked for, and an outage would look like
    a change of models. Names above 80 characters are cut and end in a hash of the whole.

    It cannot see a provider that swaps the model behind an unchanged name: `output_length`, `output_format` and the
    provider's fingerprint in `config_mix` can.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> calls = [Interaction(id="1", time=0.0, service="s", model="gpt-4o", response_model="gpt-4o-2024-08-06")]
    >>> ModelMix().classify(Batch(calls))
    ['gpt-4o-2024-08-06']
    """

    metric = "model_mix"

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the name of the model that answered each call."""
        return [None if failed else _answering(event) for event, failed in zip(batch.events, batch.failed, strict=True)]


def _answering(event: Interaction) -> str | None:
    name = event.response_model or event.model
    return shortened(name, _LONGEST) if name else None
