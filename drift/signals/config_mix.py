"""On what the calls ran: one short name for all that defines their behaviour."""

from __future__ import annotations

from collections.abc import Collection

from undertow.drift.combinations import Combinations
from undertow.drift.signal import Batch

__all__ = ["ConfigMix"]


class ConfigMix:
    """The combination a call ran on: model asked and answered, prompt version, tools, parameters, configuration.

    Unit: share of calls by combination. Harm: both ways; a combination that nobody planned (a new prompt with the old
    tools) is a state of its own. Cost: 1.3 µs an event with four entries of `config`; 0.5 µs more for 3 kB of
    instructions, 5 µs for 3 kB of tool definitions. How a name reads says `Combinations`. Failed calls and those that
    carry nothing of the kind say nothing.

    It cannot see what the event does not carry, and a value that is new with every call (a prompt with the date in
    it, a random seed) makes each call a combination of its own: leave such a part out by its name.

    Parameters
    ----------
    ignore
        Parts to leave out, see `Combinations`.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> call = Interaction(id="1", time=0.0, service="s", model="m", prompt_version="v47", config={"k": 7, "seed": 1})
    >>> ConfigMix().classify(Batch([call]))
    ['m · v47 · k=7']
    """

    metric = "config_mix"

    def __init__(self, ignore: Collection[str] = ()) -> None:
        self._combinations = Combinations(ignore)

    def classify(self, batch: Batch) -> list[str | None]:
        """Return the name of the combination each call ran on."""
        return [
            None if failed else self._combinations.name(event)
            for event, failed in zip(batch.events, batch.failed, strict=True)
        ]
