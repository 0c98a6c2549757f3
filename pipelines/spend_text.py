"""Spend in words: where the month is heading, what has changed and why, and what is about to end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import exp, isfinite, isnan

from undertow.drift.decomposition import EFFECTS, Decomposition, Effect
from undertow.drift.projection import Projection
from undertow.drift.retirement import Retiring
from undertow.pipelines.spend_report import PriceChange, ServiceSpend, SpendReport

__all__ = ["render"]

_DAY_S = 86_400.0
_SHOWN_EFFECT = 0.01  # of the larger spend: a smaller part of the change is not worth a line
_MOST_MODELS = 3
_MOST_PRINCIPALS = 3
_MOVED = 0.05  # of the spend: who moved less is not worth a line
_MOST_NAMES = 10


def render(report: SpendReport) -> str:
    """Return the report as plain text for a terminal.

    Examples
    --------
    >>> print(render(SpendReport(now=0.0, days=7.0, services=[], price_changes=[], retiring=[], unpriced={"own": 12})))
    Spend until 1970-01-01 00:00 UTC, the last 7 days against the 7 days before
    No price is known for: own (12 calls); their cost is missing above. Name it in [prices."own"]
    <BLANKLINE>
    """
    end = datetime.fromtimestamp(report.now, UTC)
    span = f"{report.days:g} days"
    lines = [f"Spend until {end:%Y-%m-%d %H:%M} UTC, the last {span} against the {span} before"]
    for service in report.services:
        lines += ["", *_service(service, report.days)]
    lines += [line for change in report.price_changes for line in _price_change(change)]
    lines += [_retiring(one) for one in report.retiring]
    lines += _unpriced(report.unpriced)
    return "\n".join(lines) + "\n"


def _service(one: ServiceSpend, days: float) -> Iterator[str]:
    name = f"{one.service} ({one.environment})" if one.environment else one.service
    before, after = one.change.before, one.change.after
    yield f"{name}: {dollars(after)} in {days:g} days, before {dollars(before)}{_ratio(before, after)}"
    yield f"  this month: {_projection(one.projection)}"
    yield from _change(one.change)
    moved = [who for who in one.principals if abs(who.after - who.before) >= _MOVED][:_MOST_PRINCIPALS]
    for who in moved:
        yield f"  user {who.name or '(not stated)'}: {who.before:.0%} → {who.after:.0%} of the spend"


def _projection(projection: Projection) -> str:
    spent = f"{dollars(projection.spent)} so far"
    if isnan(projection.value):
        return spent
    to = dollars(projection.high) if isfinite(projection.high) else "no upper end known before two days"
    pace = "" if isnan(projection.pace) else f"; the last 24 hours: x {projection.pace:.2f}"
    return f"{spent}, {dollars(projection.value)} at its end ({dollars(projection.low)} to {to}){pace}"


def _change(change: Decomposition) -> Iterator[str]:
    shown = [one for one in change.effects if abs(one.dollars) >= _SHOWN_EFFECT * max(change.before, change.after)]
    for effect in shown:
        yield f"  {_signed(effect.dollars):>12}{_factor(effect)}  {EFFECTS[effect.name]}{_models(effect)}"
    if shown and abs(change.unpriced[1] - change.unpriced[0]) >= _SHOWN_EFFECT:
        was, is_now = change.unpriced
        yield f"  calls without a price: {was:.0%} → {is_now:.0%}; what they cost is not seen"


def _factor(effect: Effect) -> str:
    return "" if isnan(effect.log) else f"  x {exp(effect.log):.2f}"


def _models(effect: Effect) -> str:
    if effect.name in {"volume", "calls_per_task"} or not any(model for model, _ in effect.models):
        return ""
    named = [f"{model or '(none)'} {_signed(part)}" for model, part in effect.models[:_MOST_MODELS]]
    return f": {', '.join(named)}"


def _price_change(change: PriceChange) -> Iterator[str]:
    day = datetime.fromtimestamp(change.dated.since, UTC)
    price = change.dated.price
    yield (
        f"{change.model} has another list price since {day:%Y-%m-%d}: "
        f"${price.input:g} and ${price.output:g} a million input and output tokens"
    )


def _retiring(one: Retiring) -> str:
    day = datetime.fromtimestamp(one.at, UTC)
    when = f"in {one.days:.0f} days" if one.days > 0 else f"{-one.days:.0f} days ago"
    return f"{one.model} is switched off on {day:%Y-%m-%d}, {when} ({one.announced_by}); {one.calls:,} calls used it"


def _unpriced(unpriced: dict[str, int]) -> list[str]:
    if not unpriced:
        return []
    names = [f"{model} ({calls:,} calls)" for model, calls in list(unpriced.items())[:_MOST_NAMES]]
    rest = len(unpriced) - len(names)
    more = f" and {rest} more" if rest else ""
    example = next(iter(unpriced))
    return [
        f'No price is known for: {", ".join(names)}{more}; their cost is missing above. Name it in [prices."{example}"]'
    ]


def dollars(amount: float) -> str:
    """Return an amount of money with as many digits as matter.

    Examples
    --------
    >>> dollars(18_200.4), dollars(3.1), dollars(0.000123), dollars(0.0)
    ('$18,200', '$3.10', '$0.00012', '$0')
    """
    if not amount:
        return "$0"
    if abs(amount) >= 100:
        return f"${amount:,.0f}"
    return f"${amount:,.2f}" if abs(amount) >= 0.1 else f"${amount:.2g}"


def _signed(amount: float) -> str:
    return ("+" if amount >= 0 else "-") + dollars(abs(amount))


def _ratio(before: float, after: float) -> str:
    return f" (x {after / before:.2f})" if before else ""
