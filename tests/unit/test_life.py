"""open → paged → acknowledged → recovering → resolved, or accepted, or false."""

from __future__ import annotations

from typing import Any

import pytest
from alert_samples import T0, incident, series, verdict

from undertow.alerts.incident import Change, ChangeKind, Context, Incident, State
from undertow.alerts.incidents import Incidents, IncidentsConfig, IncidentsError
from undertow.alerts.life import standing
from undertow.drift.verdict import Verdict

NOTHING = Context()


def paged(*verdicts: Verdict) -> tuple[Incidents, str]:
    incidents = Incidents(IncidentsConfig())
    incidents.apply(verdicts, NOTHING, T0)
    (trigger,) = incidents.tick(T0 + 30)
    return incidents, trigger.incident.id


def back(of: Verdict, at: float) -> Verdict:
    return verdict(of.series, "recovered", at, opened=of.id)


def story(changes: list[Change]) -> list[tuple[ChangeKind, State]]:
    return [(change.kind, change.incident.state) for change in changes]


def test_an_incident_lives_from_open_to_resolved() -> None:
    whole, slice_ = verdict(), verdict(series(region="eu"))
    incidents, key = paged(whole, slice_)
    told = incidents.acknowledge(key, T0 + 60, by="anna")
    told += incidents.apply([back(whole, T0 + 100)], NOTHING, T0 + 100)
    told += incidents.apply([back(slice_, T0 + 200)], NOTHING, T0 + 200)
    assert story(told) == [
        (ChangeKind.ACKNOWLEDGE, State.ACKNOWLEDGED),
        (ChangeKind.UPDATE, State.RECOVERING),
        (ChangeKind.RESOLVE, State.RESOLVED),
    ]
    assert told[-1].incident.acknowledged_by == "anna"


def test_what_comes_back_and_changes_again_is_acknowledged_still() -> None:
    whole, slice_ = verdict(), verdict(series(region="eu"))
    incidents, key = paged(whole, slice_)
    incidents.acknowledge(key, T0 + 60)
    incidents.apply([back(whole, T0 + 100)], NOTHING, T0 + 100)
    (again,) = incidents.apply([verdict(at=T0 + 150)], NOTHING, T0 + 150)
    assert story([again]) == [(ChangeKind.UPDATE, State.ACKNOWLEDGED)]


def test_what_grows_graver_waits_for_somebody_again() -> None:
    incidents, key = paged(verdict(after=0.05))
    incidents.acknowledge(key, T0 + 60, by="anna", quiet=True)
    (graver,) = incidents.apply([verdict(at=T0 + 100, after=0.5)], NOTHING, T0 + 100)
    assert story([graver]) == [(ChangeKind.ESCALATE, State.PAGED)]
    assert (graver.incident.acknowledged_by, graver.incident.quiet, graver.silent) == ("", False, False)
    assert story(incidents.acknowledge(key, T0 + 160)) == [(ChangeKind.ACKNOWLEDGE, State.ACKNOWLEDGED)]


def test_it_is_acknowledged_once_and_only_once_it_was_told() -> None:
    incidents = Incidents(IncidentsConfig())
    incidents.apply([verdict()], NOTHING, T0)
    key = incidents.open[0].id
    assert incidents.acknowledge(key, T0 + 10) == []
    incidents.tick(T0 + 30)
    assert len(incidents.acknowledge(key, T0 + 40, by="anna")) == 1
    assert incidents.acknowledge(key, T0 + 50, by="ben") == []
    assert incidents.open[0].acknowledged_by == "anna"
    with pytest.raises(IncidentsError, match="no incident 'x' is open"):
        incidents.acknowledge("x", T0 + 50)


def test_what_was_closed_elsewhere_is_quiet_until_it_is_over() -> None:
    whole, slice_ = verdict(), verdict(series(region="eu"))
    incidents, key = paged(whole, slice_)
    incidents.acknowledge(key, T0 + 60, elsewhere="https://acme.pagerduty.com/incidents/P1", quiet=True)
    (update,) = incidents.apply([back(whole, T0 + 100)], NOTHING, T0 + 100)
    (resolve,) = incidents.apply([back(slice_, T0 + 200)], NOTHING, T0 + 200)
    assert [(change.kind, change.silent) for change in (update, resolve)] == [
        (ChangeKind.UPDATE, True),
        (ChangeKind.RESOLVE, False),
    ]


@pytest.mark.parametrize(("resolution", "state"), [("accepted", State.ACCEPTED), ("false", State.FALSE)])
def test_somebody_decides_and_says_why(resolution: str, state: State) -> None:
    incidents, key = paged(verdict())
    (change,) = incidents.manual(key, resolution, T0 + 7080, by="anna", reason="shorter answers are meant")
    assert change.incident.state is state
    assert standing(change.incident) == (
        f"{resolution} at 2026-09-21 16:11:20 UTC, 2 h after the change, by anna: shorter answers are meant"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "paged, found 2026-09-21 14:13:20 UTC"),
        (
            {"state": State.ACKNOWLEDGED, "acknowledged_at": T0 + 60, "acknowledged_by": "anna"},
            "acknowledged, found 2026-09-21 14:13:20 UTC, acknowledged by anna 2026-09-21 14:14:20 UTC",
        ),
        ({"state": State.RESOLVED, "resolved_at": T0, "resolution": "expired"}, "resolved (expired) at "),
    ],
)
def test_where_an_incident_stands_in_words(more: dict[str, Any], said: str) -> None:
    assert standing(incident(**more)).startswith(said)


def test_the_slices_that_are_not_back_are_named() -> None:
    regions = [verdict(series(region=f"r{n}")) for n in range(6)]
    some: Incident = incident(state=State.RECOVERING, verdicts=regions, recovered=[regions[0].id])
    assert standing(some).endswith("; 1 of 6 series back, region=r1, region=r2, region=r3 and 2 more are not")


def test_an_address_of_a_former_acknowledgement_is_not_that_of_the_next() -> None:
    incidents, key = paged(verdict(after=0.05))
    incidents.acknowledge(key, T0 + 60, elsewhere="https://example.pagerduty.com/incidents/P1")
    incidents.apply([verdict(at=T0 + 100, after=0.5)], NOTHING, T0 + 100)
    (again,) = incidents.acknowledge(key, T0 + 160, by="ben")
    assert (again.incident.elsewhere, again.incident.acknowledged_by) == ("", "ben")
