"""What belongs together: one cause is one incident in however many services, two causes are two."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from alert_samples import T0, explanation, series, verdict

from undertow.alerts.incident import Account, Change, ChangeKind, Context, Incident, Version
from undertow.alerts.incidents import Incidents, IncidentsConfig
from undertow.alerts.text import page_text
from undertow.drift.verdict import Verdict

METRICS = {
    "refusal_rate": (0.02, 0.11),
    "output_length": (812, 560),
    "latency": (0.9, 1.4),
    "output_tokens": (210, 140),
    "schema_violation_rate": (0.003, 0.11),
}
SERVICES = [f"team-{number:02}" for number in range(30)]
CHANGED = T0 - 120


def version(service: str, value: str = "v2", at: float = CHANGED - 5, dimension: str = "prompt_version") -> Version:
    return Version(dimension, value, at, service, "prod")


def flag_day(services: Sequence[str], seed: int = 0) -> list[Verdict]:
    """Five metrics of each service, found within ten minutes; each thinks a little otherwise of when it changed."""
    chance = random.Random(seed)
    return [
        verdict(
            series(metric, name),
            at=T0 + chance.uniform(0, 600),
            changed=CHANGED + chance.uniform(-30, 30),
            before=before,
            after=after,
        )
        for name in services
        for metric, (before, after) in METRICS.items()
    ]


def played(verdicts: Sequence[Verdict], versions: Sequence[Version] = (), until: float = 1000.0) -> list[Change]:
    incidents, told = Incidents(IncidentsConfig()), []
    for one in sorted(verdicts, key=lambda v: v.detected_at):
        told += incidents.apply([one], Context(versions=versions), one.detected_at)
    return told + incidents.tick(T0 + until, Context(versions=versions))


def last(told: Sequence[Change]) -> list[Incident]:
    """The incidents as they were told last."""
    return list({change.incident.id: change.incident for change in told}.values())


def services(of: Incident) -> set[str]:
    return {one.series.service for one in of.verdicts}


@pytest.mark.parametrize("versions", [[], [version(name) for name in SERVICES], [version("team-07", "own")]])
def test_five_metrics_in_thirty_services_are_one_incident_and_one_page(versions: list[Version]) -> None:
    told = played(flag_day(SERVICES), versions)
    (incident,) = last(told)
    assert len(incident.verdicts) == 150
    assert services(incident) == {*SERVICES}
    assert [change.kind for change in told].count(ChangeKind.TRIGGER) == 1
    assert "/prod and 29 more services: " in incident.headline
    assert [(one.dimension, one.value) for one in incident.versions] == (
        [("prompt_version", versions[0].value)] if versions else []
    )


def test_one_version_in_several_services_at_several_times_is_one_incident() -> None:
    staged = [verdict(series(service=name), at=T0 + 600 * n, changed=CHANGED + 600 * n) for n, name in enumerate("abc")]
    versions = [version(name, at=CHANGED + 600 * n) for n, name in enumerate("abc")]
    assert [services(one) for one in last(played(staged, versions, 3000))] == [{"a", "b", "c"}]
    assert len(last(played(staged, [], 3000))) == 3, "without it nothing says that they belong together"


def test_two_causes_at_the_same_time_in_services_of_their_own_are_two_incidents() -> None:
    some, others = SERVICES[:15], SERVICES[15:]
    versions = [*(version(name, "v2") for name in some), *(version(name, "m1", dimension="model") for name in others)]
    found = last(played(flag_day(SERVICES), versions))
    assert sorted(map(services, found), key=min) == [{*some}, {*others}]
    assert [{one.value for one in incident.versions} for incident in sorted(found, key=lambda i: min(services(i)))] == [
        {"v2"},
        {"m1"},
    ]


def test_a_change_minutes_away_in_another_service_is_another_incident() -> None:
    near, far = verdict(series(service="a")), verdict(series(service="b"), changed=CHANGED - 400)
    assert len(last(played([near, far]))) == 2


def test_what_does_not_know_when_it_changed_joins_no_other_service() -> None:
    vague = verdict(series(service="b"), changed_from=CHANGED - 7200, changed_to=CHANGED + 60)
    assert len(last(played([verdict(series(service="a")), vague]))) == 2


def test_a_broken_rule_and_a_shift_elsewhere_in_the_same_minute_are_two() -> None:
    rule = verdict(series("rule.residency", "b"), before=0.0, after=1.0)
    assert len(last(played([verdict(series(service="a")), rule]))) == 2


def test_another_environment_is_another_incident() -> None:
    assert len(last(played([verdict(), verdict(series(environment="staging"))], [version("support")]))) == 2


def test_the_same_minute_elsewhere_is_nearer_than_an_older_incident_of_the_service() -> None:
    older = verdict(series(service="b"), at=T0 - 600, changed=CHANGED - 1200)
    told = played([older, verdict(series(service="a")), verdict(series("latency", "b"), before=0.9, after=2.0)])
    assert sorted(map(services, last(told)), key=len) == [{"b"}, {"a", "b"}]


class TestSplit:
    """Two services that changed in the same minute; only later it is seen that each has a version of its own."""

    ONE = verdict(series(service="a"))
    OTHER = verdict(series(service="b"), at=T0 + 5)
    LATER = (version("a"), version("b", "other"))

    def story(self, *more: Verdict) -> tuple[Incidents, list[Change]]:
        incidents, seen = Incidents(IncidentsConfig()), Context(versions=self.LATER)
        told = incidents.apply([self.ONE, self.OTHER], Context(), T0 + 5) + incidents.tick(T0 + 40, Context())
        assert len(incidents.open) == 1
        told += incidents.tick(T0 + 400, seen)
        for one in more:
            told += incidents.apply([one], seen, one.detected_at)
        return incidents, told

    def test_what_grew_together_by_mistake_splits_and_both_say_so(self) -> None:
        incidents, told = self.story()
        old, new = incidents.open
        assert (services(old), services(new)) == ({"a"}, {"b"})
        assert (old.parted, new.parted_from) == ([new.id], old.id)
        assert [(change.incident.id, change.kind) for change in told if change.incident.id == new.id] == [
            (new.id, ChangeKind.TRIGGER)
        ]
        assert f"incident {new.id} has left: other versions were new there" in page_text(old)
        assert f"from incident {old.id}: other versions were new here" in page_text(new)
        assert "b/prod" not in old.headline
        assert new.headline.startswith("b/prod: ")

    def test_each_part_recovers_by_itself(self) -> None:
        back = verdict(self.OTHER.series, "recovered", T0 + 500, opened=self.OTHER.id)
        incidents, told = self.story(back)
        assert [services(one) for one in incidents.open] == [{"a"}]
        assert (told[-1].kind, services(told[-1].incident)) == (ChangeKind.RESOLVE, {"b"})

    def test_a_recovery_of_a_verdict_that_was_replaced_before_the_split_counts(self) -> None:
        incidents = Incidents(IncidentsConfig())
        worse = verdict(self.OTHER.series, at=T0 + 10, after=0.3)
        incidents.apply([self.ONE, self.OTHER, worse], Context(), T0 + 10)
        incidents.tick(T0 + 400, Context(versions=self.LATER))
        back = verdict(self.OTHER.series, "recovered", T0 + 500, opened=self.OTHER.id)
        assert incidents.apply([back], Context(), T0 + 500)[-1].kind is ChangeKind.RESOLVE

    def test_several_services_that_leave_for_one_reason_stay_together(self) -> None:
        others = [verdict(series(service=name), at=T0 + 5) for name in "bcd"]
        versions = [version("a"), *(version(name, "other") for name in "bcd")]
        incidents = Incidents(IncidentsConfig())
        incidents.apply([self.ONE, *others], Context(), T0 + 5)
        incidents.tick(T0 + 40, Context())
        incidents.tick(T0 + 400, Context(versions=versions, account=lambda *_: Account(explanation())))
        assert [services(one) for one in incidents.open] == [{"a"}, {"b", "c", "d"}]

    def test_a_version_that_all_share_keeps_them_together(self) -> None:
        incidents = Incidents(IncidentsConfig())
        incidents.apply([self.ONE, self.OTHER], Context(), T0 + 5)
        shared = [*self.LATER, version("a", "m2", dimension="model"), version("b", "m2", dimension="model")]
        incidents.tick(T0 + 400, Context(versions=shared))
        assert [services(one) for one in incidents.open] == [{"a", "b"}]

    def test_what_leaves_joins_an_incident_that_is_its_own_and_that_is_told(self) -> None:
        incidents = Incidents(IncidentsConfig())
        third = verdict(series(service="c"), at=T0 + 6, changed=T0 - 700)
        incidents.apply([self.ONE, self.OTHER, third], Context(), T0 + 6)
        incidents.tick(T0 + 40, Context())
        assert [services(one) for one in incidents.open] == [{"a", "b"}, {"c"}]
        told = incidents.tick(T0 + 400, Context(versions=[*self.LATER, version("c", "other", at=CHANGED - 590)]))
        assert [services(one) for one in incidents.open] == [{"a"}, {"b", "c"}], "the oldest first still"
        assert [(change.kind, services(change.incident)) for change in told] == [
            (ChangeKind.UPDATE, {"b", "c"}),
            (ChangeKind.UPDATE, {"a"}),
        ]

    def test_what_is_left_behind_is_over_when_all_of_it_is_back(self) -> None:
        incidents = Incidents(IncidentsConfig())
        incidents.apply([self.ONE, self.OTHER], Context(), T0 + 5)
        incidents.tick(T0 + 40, Context())
        incidents.apply([verdict(self.ONE.series, "recovered", T0 + 60, opened=self.ONE.id)], Context(), T0 + 60)
        told = incidents.tick(T0 + 400, Context(versions=self.LATER))
        assert (ChangeKind.RESOLVE, {"a"}) in [(change.kind, services(change.incident)) for change in told]
        assert [services(one) for one in incidents.open] == [{"b"}]
