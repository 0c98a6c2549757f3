"""What may have caused a change, in the words of a page: one plain dict with one sentence for each cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from undertow.alerts.cards import version_card
from undertow.alerts.formats import duration, format_move, title, utc
from undertow.alerts.incident import Account, Incident
from undertow.alerts.ranking import lead
from undertow.drift.averages import Shift, shown
from undertow.drift.carriers import Carriers
from undertow.drift.causes import Cause, Explanation, Growth
from undertow.drift.clusters import NEW
from undertow.drift.exemplars import Exemplar
from undertow.drift.metrics import Family, Metric, parent_of, resolve
from undertow.drift.phrases import Phrase
from undertow.drift.showcase import Showcase
from undertow.drift.verdict import Verdict

__all__ = ["cause_dicts", "explained", "moved_text", "phrase_texts", "place_text", "show"]

_MOST_TOPICS = 2  # of those that grew, told


def explained(incident: Incident, about: Verdict, account: Account) -> None:
    """Write into an incident why it may have come about, in words."""
    metric, found = resolve(about.series.metric), account.explanation.carriers
    incident.causes = cause_dicts(account.explanation)
    leads = about == lead(incident.verdicts)
    incident.place = ("" if leads else f"{title(metric.name)}: ") + place_text(metric.name, metric.family, found)
    incident.carried_by = [(found.dimension, value) for value in found.values] if leads else []
    incident.moved_by = moved_text(account.explanation)
    incident.cards = [version_card(card) for card in account.cards]
    show(incident, about, account.phrases, account.shown)


def show(incident: Incident, about: Verdict, phrases: Sequence[Phrase], shown: Showcase) -> None:
    """Write into an incident which words moved, and calls of before and since."""
    incident.words = phrase_texts(phrases, _said_by(resolve(about.series.metric)))
    incident.shown = {"before": [_call(one) for one in shown.before], "since": [_call(one) for one in shown.after]}


def cause_dicts(explanation: Explanation) -> list[dict[str, Any]]:
    """Return the causes as plain data, each with its sentence in `text`, the likeliest first."""
    return [_cause_dict(cause, explanation) for cause in explanation.causes]


def place_text(metric: str, family: Family, found: Carriers) -> str:
    """Return where the change is.

    Examples
    --------
    >>> from undertow.drift.averages import Average
    >>> inside = Shift(Average(900, 0.004, 0.002), Average(90, 0.2, 0.04))
    >>> outside = Shift(Average(900, 0.004, 0.002), Average(90, 0.004, 0.004))
    >>> place_text("refusal_rate", Family.RATE, Carriers("slice", inside, outside, "region", ("ap",)))
    'in region=ap: 0.4 % → 20 %; elsewhere 0.4 % → 0.4 %'
    """
    if found.kind == "alike":
        return "all of the traffic alike"
    if found.kind == "unclear" or found.outside is None:
        return "too few calls yet to tell whether some slices carry it"
    values = " or ".join(found.values)
    there, elsewhere = (_move(metric, family, shift) for shift in (found.inside, found.outside))
    most = "everywhere, most in" if found.kind == "uneven" else "in"
    return f"{most} {found.dimension}={values}: {there}; elsewhere {elsewhere}"


def moved_text(explanation: Explanation) -> str:
    """Return whether users, model or mix moved, what is asked more, and that users adapt when inputs follow later."""
    said = {
        "mix": "the mix of the traffic moved; inside the slices the levels are as they were",
        "users": "what users ask has moved, and nothing here changed",
        "model": "the answers moved, the questions did not",
        "unclear": "these data do not tell whether questions or answers moved",
    }[explanation.moved]
    told = [said, *map(_growth, explanation.grown[:_MOST_TOPICS])]
    if explanation.adapting_s is not None:
        told.append(f"inputs shifted {duration(explanation.adapting_s)} after the answers: users adapt")
    return "; ".join(told)


def _growth(one: Growth) -> str:
    named = f"questions like “{one.words}”" if one.words else f"questions of cluster {one.name}"
    if one.name == NEW:
        named = f"{named}, unlike any before," if one.words else "questions unlike any before"
    return f"{named} {_percent(one.before)} → {_percent(one.after)} of the inputs"


def phrase_texts(phrases: Sequence[Phrase], said_by: str = "answers") -> list[str]:
    """Return what rose or fell in the texts, one line each; `said_by` says of which.

    Examples
    --------
    >>> phrase_texts([Phrase("key", "exec_summary", 0.0, 0.98, 9.0), Phrase("phrase", "of course", 0.4, 0.02, -7.0)])
    ['new: key "exec_summary" in 98 % of the answers', 'fell: "of course" from 40 % to 2 %']
    """
    return [_phrase_text(phrase, said_by) for phrase in phrases]


def _cause_dict(cause: Cause, explanation: Explanation) -> dict[str, Any]:
    return {
        "kind": cause.kind,
        "dimension": cause.dimension,
        "value": cause.value,
        "first_seen": None if math.isnan(cause.appeared) else cause.appeared,
        "lead_s": cause.lead_s,
        "probability": round(cause.probability, 4),
        "also": [list(pair) for pair in cause.also],
        "text": _unknown(explanation) if cause.kind == "unknown" else _sentence(cause),
    }


def _unknown(explanation: Explanation) -> str:
    if explanation.yours:
        return "something that no event carries"
    return "no change on your side explains it: the provider, or something that no event carries"


def _sentence(cause: Cause) -> str:
    names = "".join(f" ({dimension}={value})" for dimension, value in cause.names)
    name = f"{cause.dimension}={cause.value}{names}"
    if cause.kind == "mix":
        return f"{name} went from {_percent(cause.share_before)} to {_percent(cause.share_after)} of the calls"
    said = f"{_appeared(cause, name)}, {duration(cause.lead_s)} {'before' if cause.lead_s >= 0 else 'after'} the "
    said += "estimated change"
    said += f", declared as “{cause.declared}”" if cause.declared and cause.kind != "price" else ""
    said += f", now {_percent(cause.share_after)} of the calls" if cause.share_after < 0.995 else ""
    others = ", ".join(f"{dimension}={value}" for dimension, value in cause.also)
    return f"{said}; coincides with {others}: these data cannot separate them" if others else said


def _appeared(cause: Cause, name: str) -> str:
    if cause.kind == "provider":
        return f"no change on your side: the provider answers with {name} since {utc(cause.appeared)}"
    if cause.kind == "price":
        return f"price of {cause.value}: {cause.declared} since {utc(cause.appeared)}"
    return f"{name} was first seen {utc(cause.appeared)}"


def _said_by(metric: Metric) -> str:
    """Return whose words were compared: of a rate only those are kept apart of which it is true."""
    if metric.name.startswith("input_"):
        return "questions"
    own = metric.family is Family.RATE and metric.name == parent_of(metric.name)
    return "answers concerned" if own else "answers"


def _call(one: Exemplar) -> dict[str, Any]:
    return {"id": one.id, "time": one.time, "input": one.input, "output": one.output}


def _phrase_text(phrase: Phrase, said_by: str) -> str:
    name = f'key "{phrase.text}"' if phrase.kind == "key" else f'"{phrase.text}"'
    if phrase.before < 0.005 < phrase.after:
        return f"new: {name} in {_percent(phrase.after)} of the {said_by}"
    if phrase.after < 0.005 < phrase.before:
        return f"gone: {name}, before in {_percent(phrase.before)} of the {said_by}"
    return f"{'rose' if phrase.z > 0 else 'fell'}: {name} from {_percent(phrase.before)} to {_percent(phrase.after)}"


def _move(metric: str, family: Family, shift: Shift) -> str:
    return format_move(metric, shown(family, shift.before), shown(family, shift.after))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
