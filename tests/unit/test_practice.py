"""Promise and practice: urgent pages by week, and what became of them."""

import msgspec
import pytest
from alert_samples import incident, verdict

from undertow.alerts.incident import Change, ChangeKind, Severity, tell
from undertow.alerts.practice import WEEK, Practice

MONDAY = 4 * 86_400.0


def change(
    kind: ChangeKind, paged_at: float, resolution: str = "", detector: str = "beta_binomial", **more: object
) -> Change:
    found = incident(verdicts=[msgspec.structs.replace(verdict(), detector=detector)])
    told = msgspec.structs.replace(found, severity=Severity.CRITICAL, paged_at=paged_at, resolution=resolution, **more)
    return tell(told, kind, paged_at)


def practiced(*changes: Change) -> Practice:
    made = Practice(outside=["rule"])
    made.take(changes, now=MONDAY)
    return made


def test_pages_and_what_somebody_said_of_them_count_in_the_week_in_which_they_were_sent() -> None:
    late = MONDAY + WEEK + 100.0
    found = practiced(
        change(ChangeKind.TRIGGER, MONDAY),
        change(ChangeKind.TRIGGER, late),
        change(ChangeKind.UPDATE, late),
        change(ChangeKind.RESOLVE, MONDAY, "false"),
        change(ChangeKind.RESOLVE, late, "accepted"),
    ).summary(2.0, now=MONDAY + 3 * WEEK)
    assert found["by_week"] == [
        {"start": MONDAY, "pages": 1, "outside": 0, "false": 1, "accepted": 0},
        {"start": MONDAY + WEEK, "pages": 1, "outside": 0, "false": 0, "accepted": 1},
    ]
    assert (found["pages"], found["false"], found["accepted"], found["weeks"], found["allowed"]) == (2, 1, 1, 3.0, 6.0)


def test_pages_that_only_rules_asked_for_are_outside_the_budget() -> None:
    assert practiced(change(ChangeKind.TRIGGER, MONDAY, detector="rule")).summary(1.0, MONDAY)["outside"] == 1


@pytest.mark.parametrize("quiet", [{"severity": Severity.WARNING}, {"paged_at": None}])
def test_what_woke_nobody_is_not_counted(quiet: dict[str, object]) -> None:
    told = change(ChangeKind.TRIGGER, MONDAY)
    silent = msgspec.structs.replace(told, incident=msgspec.structs.replace(told.incident, **quiet))
    assert practiced(silent, msgspec.structs.replace(told, silent=True)).summary(1.0, MONDAY)["pages"] == 0


def test_a_year_of_weeks_is_kept_and_survives_a_restart() -> None:
    made = practiced(*(change(ChangeKind.TRIGGER, MONDAY + week * WEEK) for week in range(60)))
    again = Practice(["rule"], msgspec.convert(msgspec.to_builtins(made.snapshot()), type(made.snapshot())))
    assert again.summary(1.0, MONDAY + 60 * WEEK) == made.summary(1.0, MONDAY + 60 * WEEK)
    assert len(made.snapshot().weeks) == 53
