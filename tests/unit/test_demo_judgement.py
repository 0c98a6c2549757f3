"""The demo says what it found and admits what it did not."""

from collections.abc import Sequence

import msgspec
import pytest

from undertow.alerts.incident import Incident, Severity, State
from undertow.drift.verdict import Estimate, Series, Verdict
from undertow.pipelines.demo_judgement import Judgement, judge, told
from undertow.pipelines.simulator import Planted

AT = 10_000.0
ANSWER = (("operation", "answer"),)


def a_verdict(metric: str = "refusal_rate", detected_at: float = AT + 120, **changed: object) -> Verdict:
    service = str(changed.pop("service", "support"))
    verdict = Verdict(
        id=f"{metric}{detected_at}",
        kind="page",
        series=Series(service, "prod", ANSWER, metric),
        direction="up",
        detected_at=detected_at,
        changed_at=detected_at - 60,
        changed_from=detected_at - 90,
        changed_to=detected_at - 30,
        before=Estimate(0.01, 0.009, 0.011, 9000),
        after=Estimate(0.05, 0.04, 0.06, 400),
        events=400,
        statistic=30.0,
        threshold=20.0,
        detector="beta_binomial",
        reason="",
    )
    return msgspec.structs.replace(verdict, **changed)


def an_incident(verdict: Verdict, **changed: object) -> Incident:
    incident = Incident(
        id=f"i{verdict.detected_at:.0f}",
        service=verdict.series.service,
        environment="prod",
        state=State.PAGED,
        severity=Severity.ERROR,
        opened_at=verdict.detected_at,
        changed_at=verdict.changed_at,
        changed_from=verdict.changed_from,
        changed_to=verdict.changed_to,
        headline=f"{verdict.series.metric} moved",
        verdicts=[verdict],
        paged_at=verdict.detected_at + 30,
    )
    return msgspec.structs.replace(incident, **changed)


def judged(verdicts: Sequence[Verdict], name: str = "refusal_creep", **changed: object) -> Judgement:
    incidents = [an_incident(verdict, **changed) for verdict in verdicts]
    return judge(Planted(name, AT, AT + 1440), incidents, verdicts, lambda _series, start, end: int(end - start))


def said(judgement: Judgement) -> str:
    return told(judgement, 1.0, {})


def test_a_page_that_shows_the_incident_is_the_finding_and_its_delay_counts_from_the_truth() -> None:
    found = judged([a_verdict()])
    assert found.passed
    assert found.finding is not None
    assert (found.finding.delay_s, found.finding.events, found.finding.declared) == (120.0, 120, True)
    assert "2 min and 120 events after the change, by refusal_rate [operation=answer]" in said(found)
    assert said(found).splitlines()[-1].split() == ["result", "found"]


def test_nothing_paged_is_a_miss() -> None:
    missed = judged([])
    assert not missed.passed
    assert "MISSED" in said(missed)


@pytest.mark.parametrize(
    "verdict",
    [
        a_verdict("truncation_rate"),
        a_verdict(service="search"),
        a_verdict(direction="down"),
        a_verdict(kind="notice"),
    ],
    ids=["another metric", "another service", "the other way", "no page"],
)
def test_a_page_for_something_else_is_no_finding(verdict: Verdict) -> None:
    other = judged([verdict])
    assert (other.passed, other.finding, len(other.others)) == (False, None, 1)
    assert "other page" in said(other)


def test_a_page_before_the_change_fails_the_run_though_the_change_was_found() -> None:
    both = judged([a_verdict(detected_at=AT - 500), a_verdict()])
    assert both.finding is not None
    assert (both.passed, len(both.before)) == (False, 1)
    assert "1 before the change" in said(both)
    assert "FALSE PAGES" in said(both)


def test_a_tail_of_a_declared_metric_shows_it() -> None:
    fewer = a_verdict("output_length.low")
    more = a_verdict("output_length.high")
    assert judged([more], "chatty_prompt").passed
    assert judged([fewer], "silent_model_swap").passed
    assert not judged([fewer], "chatty_prompt").passed


def test_a_metric_that_follows_counts_and_is_said_to_follow() -> None:
    follows = judged([a_verdict("output_length.low")])
    assert follows.passed
    assert follows.finding is not None
    assert not follows.finding.declared
    assert "a side effect" in said(follows)


def test_what_joins_after_the_page_has_left_does_not_make_it_a_finding() -> None:
    first, late = a_verdict("truncation_rate"), a_verdict(detected_at=AT + 600)
    incident = an_incident(first)
    found = judge(Planted("refusal_creep", AT), [incident], [first, late], lambda *_: 0)
    assert found.finding is None


def test_a_null_must_stay_quiet() -> None:
    assert judged([], "traffic_up_40").passed
    assert "quiet, as it should be" in said(judged([], "traffic_up_40"))
    assert not judged([a_verdict()], "traffic_up_40").passed


def test_an_incident_nobody_was_told_of_is_no_page() -> None:
    assert judged([a_verdict()], paged_at=None).finding is None


def test_the_resolve_is_told_with_its_distance_from_the_rollback() -> None:
    resolved = judged([a_verdict()], resolved_at=AT + 1500, resolution="recovered")
    assert "(recovered), 1 min after the rollback" in said(resolved)
    assert "still open" in said(judged([a_verdict()]))


def test_the_page_is_quoted_as_it_was_sent() -> None:
    found = judged([a_verdict()])
    assert found.finding is not None
    assert "as sent" in told(found, 1.0, {found.finding.incident.id: "as sent"})
