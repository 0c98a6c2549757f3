"""Why something changed: where it is, what it coincides with, whether users, model or mix moved; or an honest unknown.

The facade over what each part knows: `carriers` (which slices), `contributions` (shares apart from levels),
`suspicion` (which version, with which odds). Values in, values out; `alerts` puts them into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot, nan

import msgspec

from undertow.drift.averages import Shift, linked
from undertow.drift.carriers import Carriers, carriers
from undertow.drift.contributions import Breakdown, Slice, breakdowns
from undertow.drift.metrics import Family
from undertow.drift.suspicion import ChangeTime, Suspect, Suspected, fit_of_mix, suspected

__all__ = ["DEFINING", "Cause", "Explanation", "Question", "explain"]

DEFINING = frozenset({"model", "response_model", "provider", "prompt_version", "instructions", "tools"})
_MONEY = ("cost", "spend")  # metrics that a price can move
_SAME_S = 1.0  # two names of one change are first seen within so long
_NAMES = {"instructions": "prompt_version", "response_model": "model", "fallback": "response_model"}
_MIX_SHARE = 0.5  # of a change that shares explain, from which they may be its cause
_THERE = 2.5  # standard errors by which a level must have moved for something to have moved it
_NOTHING_TO_EXPLAIN = 20.0  # evidence against every suspect where it has not
_MIX_Z = 3.0  # standard errors: one of several dimensions may stand out
_YOURS = frozenset({"version", "price"})
_NAMED = 0.5  # probability from which something of yours is said to be among the causes
_MOST_CAUSES = 10
_DAY = 86_400.0


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one change.

    Parameters
    ----------
    metric, family
        What changed.
    change
        When.
    whole
        Level of all the traffic of the service shortly before and since.
    slices
        Levels by dimension and value over the same times.
    suspects
        What appeared or moved its share around the time.
    steps
        By (dimension, value), between which times its share of the traffic made a step, where it did.
    inputs_moved
        When the inputs of this service shifted, if they did lately.
    of_input
        The metric is about inputs itself.
    """

    metric: str
    family: Family
    change: ChangeTime
    whole: Shift
    slices: Sequence[Slice] = ()
    suspects: Sequence[Suspect] = ()
    steps: Mapping[tuple[str, str], tuple[float, float]] = {}
    inputs_moved: float | None = None
    of_input: bool = False


class Cause(msgspec.Struct, frozen=True):
    """One possible cause.

    `kind` is "version", "provider", "price", "mix" or "unknown"; `also` are those that coincide with it so closely that
    these data cannot separate them. `names` are further names of the same thing (the hash of a prompt's text).
    """

    kind: str
    dimension: str = ""
    value: str = ""
    probability: float = 0.0
    appeared: float = nan
    lead_s: float = 0.0
    chance: float = 1.0
    share_before: float = 0.0
    share_after: float = 0.0
    declared: str = ""
    also: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """Why something changed.

    Parameters
    ----------
    moved
        "mix" (shares of traffic), "users" (inputs, and nothing here), "model" (what answers, given what is asked) or
        "unclear".
    yours
        Something on the own side is among the causes.
    adapting_s
        Seconds by which inputs shifted after this change, when that is more than a day: users adapt.
    """

    carriers: Carriers
    breakdowns: tuple[Breakdown, ...]
    causes: tuple[Cause, ...]
    moved: str
    yours: bool
    adapting_s: float | None = None


def explain(question: Question) -> Explanation:
    """Return where the change is and what may have caused it, the likeliest first."""
    found = breakdowns(question.slices, question.whole)
    places = [one for one in question.slices if one.dimension not in DEFINING]
    where = carriers(question.family, places, question.whole)
    own, names = _named_once([one for one in question.suspects if _concerns(one, question.metric)])
    if where.kind in {"alike", "unclear"} and not _is_there(question):
        own = [msgspec.structs.replace(one, fit=-_NOTHING_TO_EXPLAIN) for one in own]
    ranking = suspected([*own, *_mixes(found, question.steps)], question.change)
    causes = tuple(_cause(one, names) for one in ranking[:_MOST_CAUSES])
    return Explanation(
        where,
        tuple(found),
        causes,
        _who_moved(question, causes[0]),
        sum(cause.probability for cause in causes if cause.kind in _YOURS) >= _NAMED,
        _adapting(question),
    )


def _is_there(question: Question) -> bool:
    """Tell whether the level has moved at all by now; where none is known it is taken for granted."""
    before, after = question.whole.before, question.whole.after
    if not (before.events and after.events):
        return True
    (old, old_error), (new, new_error) = linked(question.family, before), linked(question.family, after)
    return abs(new - old) >= _THERE * hypot(old_error, new_error)


def _concerns(suspect: Suspect, metric: str) -> bool:
    return suspect.dimension != "price" or metric.startswith(_MONEY)


def _named_once(
    suspects: Sequence[Suspect],
) -> tuple[list[Suspect], dict[tuple[str, str], tuple[tuple[str, str], ...]]]:
    """Leave out second names of one change; return the rest, and the names that each of them has besides."""
    kept: list[Suspect] = []
    names: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for one in suspects:
        first = next((other for other in suspects if _is_second_name(one, other)), None)
        if first is None:
            kept.append(one)
        else:
            key = (first.dimension, first.value)
            names[key] = (*names.get(key, ()), (one.dimension, one.value))
    return kept, names


def _is_second_name(one: Suspect, other: Suspect) -> bool:
    return _NAMES.get(one.dimension) == other.dimension and abs(one.since - other.since) <= _SAME_S


def _mixes(found: Sequence[Breakdown], steps: Mapping[tuple[str, str], tuple[float, float]]) -> list[Suspect]:
    """Return the dimensions whose shares explain the change while the levels inside their values stayed."""
    return [
        _mix(one, steps.get((one.dimension, one.parts[0].value), (nan, nan)))
        for one in found
        if one.dimension not in DEFINING
        and one.mix * (one.rate + one.mix) > 0
        and abs(one.mix) >= _MIX_SHARE * abs(one.rate + one.mix)
        and abs(one.mix) >= _MIX_Z * one.mix_error
    ]


def _mix(found: Breakdown, step: tuple[float, float]) -> Suspect:
    """Return the value that contributed the most as a suspect that speaks for its dimension."""
    first = found.parts[0]
    return Suspect(
        dimension=found.dimension,
        value=first.value,
        origin="mix",
        since=step[0],
        until=step[1],
        share_before=first.share_before,
        share_after=first.share_after,
        fit=fit_of_mix(found),
    )


def _cause(one: Suspected, names: dict[tuple[str, str], tuple[tuple[str, str], ...]]) -> Cause:
    suspect = one.suspect
    if suspect is None:
        return Cause("unknown", probability=one.probability)
    return Cause(
        _kind(suspect),
        suspect.dimension,
        suspect.value,
        one.probability,
        suspect.since,
        one.lead_s,
        one.chance,
        suspect.share_before,
        suspect.share_after,
        suspect.declared,
        one.inseparable,
        names.get((suspect.dimension, suspect.value), ()),
    )


def _kind(suspect: Suspect) -> str:
    if suspect.origin == "mix":
        return "mix"
    if suspect.dimension == "price":
        return "price"
    return "provider" if suspect.origin == "provider" else "version"


def _who_moved(question: Question, first: Cause) -> str:
    """Tell users, model and mix apart, as far as shares, inputs and the likeliest cause do."""
    if first.kind == "mix":
        return "mix"
    change = question.change
    together = question.inputs_moved is not None and change.since <= question.inputs_moved <= change.until
    if question.of_input or (together and first.kind == "unknown"):
        return "users"
    return "unclear" if together else "model"


def _adapting(question: Question) -> float | None:
    if question.inputs_moved is None or question.of_input:
        return None
    lag = question.inputs_moved - question.change.at
    return lag if lag > _DAY else None
