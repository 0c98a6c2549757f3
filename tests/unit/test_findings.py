"""Rules and the fleet in the detectors' words."""

import msgspec

from undertow.drift.findings import Findings, verdict_of_finding, verdict_of_hit
from undertow.drift.fleet import FleetFinding
from undertow.drift.rule import RuleHit

HIT = RuleHit("residency", "s", "prod", (("serving_region", "us-1"), ("region", "eu")), "eu with us-1", 60.0, "e1", 3)
SKEW = FleetFinding("skew", "s", "", (("operation", "a"),), "prompt_version", ("v47", "v46"), "stuck", 90.0, 30.0)


def test_a_breach_is_a_page_at_its_own_time_that_counts_what_was_not_told_before() -> None:
    verdict = verdict_of_hit(HIT)
    assert (verdict.kind, verdict.direction, verdict.series.metric) == ("page", "up", "rule.residency")
    assert verdict.series.segment == (("region", "eu"), ("serving_region", "us-1"))
    assert {verdict.detected_at, verdict.changed_at, verdict.changed_from, verdict.changed_to} == {60.0}
    assert (verdict.before.value, verdict.after.value, verdict.events) == (0.0, 3.0, 3)
    assert verdict.reason == "eu with us-1"


def test_the_next_breach_is_of_the_same_series_and_another_verdict() -> None:
    first, later = verdict_of_hit(HIT), verdict_of_hit(msgspec.structs.replace(HIT, time=4000.0, event="e2"))
    assert first.series == later.series
    assert first.id != later.id
    assert first.id == verdict_of_hit(HIT).id


def test_what_nobody_planned_is_a_notice_and_its_end_names_it() -> None:
    notice = verdict_of_finding(SKEW)
    assert (notice.kind, notice.changed_at, notice.detected_at) == ("notice", 30.0, 90.0)
    assert notice.series.segment == (("operation", "a"), ("prompt_version", "v47 beside v46"))
    ended = verdict_of_finding(msgspec.structs.replace(SKEW, time=500.0, over=True))
    assert (ended.kind, ended.opened, ended.series) == ("recovered", notice.id, notice.series)
    assert ended.id != notice.id


def test_two_skews_of_one_newcomer_are_two_series() -> None:
    other = msgspec.structs.replace(SKEW, values=("v47", "v45"))
    assert verdict_of_finding(other).series != verdict_of_finding(SKEW).series
    assert verdict_of_finding(other).id != verdict_of_finding(SKEW).id


def test_what_several_have_found_alike_is_told_once() -> None:
    """Each partition of the events tells its first breach of an hour, and its own view of the fleet."""
    findings = Findings()
    other = msgspec.structs.replace(HIT, time=100.0, event="e9")
    later = msgspec.structs.replace(HIT, time=4000.0, event="e10")
    findings.add(map(verdict_of_hit, (other, HIT, later)))
    over = [verdict_of_finding(msgspec.structs.replace(SKEW, time=time, over=True)) for time in (500.0, 700.0)]
    findings.add([verdict_of_finding(SKEW), verdict_of_finding(SKEW), *over])
    told = findings.due(5000.0)
    assert [(one.kind, one.detected_at) for one in told] == [
        ("page", 60.0),
        ("notice", 90.0),
        ("recovered", 500.0),
        ("page", 4000.0),
    ]


def test_what_was_told_is_known_after_a_restart() -> None:
    findings = Findings()
    findings.add([verdict_of_hit(HIT), verdict_of_finding(SKEW)])
    findings.due(200.0)
    later = Findings(findings.snapshot())
    later.add([verdict_of_hit(msgspec.structs.replace(HIT, time=300.0)), verdict_of_finding(SKEW)])
    assert later.due(400.0) == []
