"""Verdicts, incidents and changes for the tests of alerts/."""

from __future__ import annotations

from typing import Any

from undertow.alerts.incident import Change, ChangeKind, Incident, Level, Severity, State, Version, tell
from undertow.drift.averages import Average, Shift
from undertow.drift.carriers import Carriers
from undertow.drift.causes import Cause, Explanation
from undertow.drift.verdict import Estimate, Series, Verdict, verdict_id

T0 = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def series(metric: str = "refusal_rate", service: str = "support", environment: str = "prod", **segment: str) -> Series:
    return Series(service, environment, tuple(sorted(segment.items())), metric)


def verdict(
    of: Series | None = None,
    kind: str = "page",
    at: float = T0,
    changed: float | None = None,
    before: float = 0.021,
    after: float = 0.114,
    **more: Any,
) -> Verdict:
    """A verdict detected at `at` about a change two minutes earlier, give or take 20 seconds."""
    of = of or series()
    changed = at - 120.0 if changed is None else changed
    values: dict[str, Any] = {
        "id": verdict_id(of, at, kind),
        "kind": kind,
        "series": of,
        "direction": "up" if after >= before else "down",
        "detected_at": at,
        "changed_at": changed,
        "changed_from": changed - 20.0,
        "changed_to": changed + 20.0,
        "before": Estimate(before, 0.9 * before, 1.1 * before, 4000),
        "after": Estimate(after, 0.8 * after, 1.2 * after, 312),
        "events": 312,
        "statistic": 18.5,
        "threshold": 14.1,
        "detector": "mixture_sr",
        "reason": "the evidence for a change is over its threshold",
    }
    return Verdict(**(values | more))


def incident(number: int = 0, **more: Any) -> Incident:
    values: dict[str, Any] = {
        "id": f"{number:016x}",
        "service": "support",
        "environment": "prod",
        "state": State.PAGED,
        "severity": Severity.ERROR,
        "opened_at": T0,
        "changed_at": T0 - 120,
        "changed_from": T0 - 140,
        "changed_to": T0 - 100,
        "headline": "support/prod: answers that refuse 2.1 % → 11.4 % since 14:11 UTC; HTTP green",
        "verdicts": [verdict()],
        "http": [Level("error_rate", 0.002, 0.002), Level("latency_p50", 0.9, 0.9)],
        "versions": [Version("prompt_version", "v48", T0 - 125, "support", "prod")],
        "causes": [{"kind": "version", "text": "prompt_version=v48 was first seen 5 s before the estimated change"}],
    }
    return Incident(**(values | more))


def explanation(**more: Any) -> Explanation:
    """A prompt version five seconds before the change, which is in one region."""
    before, after = Average(900, 0.02, 0.002), Average(90, 0.4, 0.04)
    values: dict[str, Any] = {
        "carriers": Carriers("slice", Shift(before, after), Shift(before, before), "region", ("ap",)),
        "breakdowns": (),
        "causes": (
            Cause("version", "prompt_version", "v48", 0.92, T0 - 125, 5.0, share_after=1.0),
            Cause("unknown", probability=0.08),
        ),
        "moved": "model",
        "yours": True,
    }
    return Explanation(**(values | more))


def change(kind: ChangeKind = ChangeKind.TRIGGER, number: int = 0, revision: int = 1, **more: Any) -> Change:
    about = incident(number, revision=revision - 1, **({"step": int(kind is ChangeKind.ESCALATE)} | more))
    if kind is ChangeKind.RESOLVE:
        about.state, about.resolved_at, about.resolution = State.RESOLVED, T0 + 600, "recovered"
    return tell(about, kind, T0 + 30 * revision)
