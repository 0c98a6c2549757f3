"""One short name for all that a call ran on: models, prompt, tools, parameters, configuration."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from undertow.drift.definition import instructions_version, scalar_text, shortened, tools_version
from undertow.drift.interaction import Interaction

__all__ = ["PER_CALL", "Combinations"]

PER_CALL = ("seed",)  # parameters that differ from call to call by design
_LONGEST = 200  # characters of a name; a longer one is cut and ends in a hash of the whole
_LONGEST_PART = 60
_REMEMBERED = 4_096  # combinations whose name is not spelled out again


class Combinations:
    """Names the combination that a call ran on; equal combinations have equal names, everywhere.

    A name reads "openai/gpt-4o→gpt-4o-2024-08-06 · v47 · tools#1c9e4b02 · index=2024-09 temperature=0.2". The prompt is
    told by `prompt_version`, else by a hash of the instructions; tool definitions by a hash; `config` entry by entry,
    sorted. Values above 60 characters and names above 200 are cut and end in a hash of the whole.

    Costs 1.3 µs a call with four entries of `config`; 0.5 µs more for 3 kB of instructions, 5 µs for 3 kB of tool
    definitions.

    Parameters
    ----------
    ignore
        Parts to leave out: "model", "response_model", "provider", "prompt_version", "instructions", "tools", or entries
        of `config` by their key. `seed` is always left out.

    Examples
    --------
    >>> call = Interaction(id="1", time=0.0, service="s", model="m", prompt_version="v47", config={"k": 7, "seed": 1})
    >>> Combinations().name(call)
    'm · v47 · k=7'
    """

    def __init__(self, ignore: Collection[str] = ()) -> None:
        self._ignored = frozenset((*PER_CALL, *ignore))
        self._names: dict[tuple[Hashable, ...], str | None] = {}

    def name(self, event: Interaction) -> str | None:
        """Return the name, spelled out once for all calls that ran on the same; None when it carries nothing of it."""
        prompt, tools = self._prompt(event), self._tools(event)
        entries = tuple([(key, type(value), value) for key, value in event.config.items()]) if event.config else ()
        key = (event.model, event.response_model, event.provider, prompt, tools, entries)
        if key not in self._names:
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            parts = (self._models(event), prompt, tools, self._entries(event))
            self._names[key] = shortened(" · ".join(part for part in parts if part), _LONGEST) or None
        return self._names[key]

    def _models(self, event: Interaction) -> str:
        asked = "" if "model" in self._ignored else event.model or ""
        answered = "" if "response_model" in self._ignored else event.response_model or ""
        names = shortened(asked, _LONGEST_PART)
        if answered and answered != asked:
            names += f"→{shortened(answered, _LONGEST_PART)}"
        provider = "" if "provider" in self._ignored else event.provider
        return f"{shortened(provider, _LONGEST_PART)}/{names}" if provider else names

    def _prompt(self, event: Interaction) -> str:
        if event.prompt_version and "prompt_version" not in self._ignored:
            return shortened(event.prompt_version, _LONGEST_PART)
        told = event.instructions is not None and "instructions" not in self._ignored
        return instructions_version(event.instructions or "") if told else ""

    def _tools(self, event: Interaction) -> str:
        return "" if event.tools is None or "tools" in self._ignored else tools_version(event.tools)

    def _entries(self, event: Interaction) -> str:
        if not event.config:
            return ""
        entries = sorted(item for item in event.config.items() if item[0] not in self._ignored)
        return " ".join(
            f"{shortened(key, _LONGEST_PART)}={shortened(scalar_text(value), _LONGEST_PART)}" for key, value in entries
        )
