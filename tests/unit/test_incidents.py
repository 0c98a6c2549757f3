"""Verdicts become incidents: one a cause, told in order, in event time alone."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from alert_samples import T0, explanation, series, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.alerts import incidents as module
from undertow.alerts.incident import Account, Change, ChangeKind, Context, Level, Severity, State, Version
from undertow.alerts.incidents import Incidents, IncidentsConfig, IncidentsError, IncidentsState, build
from undertow.drift.verdict import Verdict

NOTHING = Context()
TRIGGER, UPDATE, RESOLVE = ChangeKind.TRIGGER, ChangeKind.UPDATE, ChangeKind.RESOLVE


def kinds(changes: Iterable[Change]) -> list[ChangeKind]:
    return [change.kind for change in changes]


def paged(*verdicts: Verdict, config: IncidentsConfig | None = None) -> tuple[Incidents, list[Change]]:
    """Incidents after the verdicts and their hold time, with what was told."""
    incidents = Incidents(config or IncidentsConfig())
    changes = incidents.apply(verdicts, NOTHING, max(v.detected_at for v in verdicts))
    return incidents, changes + incidents.tick(max(v.detected_at for v in verdicts) + 30)


def recovered(of: Verdict, at: float) -> Verdict:
    return verdict(of.series, "recovered", at, opened=of.id)


class TestGrouping:
    def test_a_page_leaves_when_its_hold_time_is_over_and_not_before(self) -> None:
        incidents = Incidents(IncidentsConfig(hold_s=30))
        assert incidents.apply([verdict()], NOTHING, T0) == []
        assert incidents.tick(T0 + 29.9) == []
        (change,) = incidents.tick(T0 + 45)
        assert (change.kind, change.at, change.incident.paged_at) == (TRIGGER, T0 + 30, T0 + 30)
        assert change.incident.state is State.PAGED

    def test_what_is_detected_as_the_hold_time_ends_is_on_the_page(self) -> None:
        incidents = Incidents(IncidentsConfig(hold_s=30))
        late = verdict(series("output_length"), before=812, after=560, at=T0 + 30)
        changes = incidents.apply([verdict()], NOTHING, T0) + incidents.apply([late], NOTHING, T0 + 30)
        assert [(change.kind, len(change.incident.verdicts)) for change in changes] == [(TRIGGER, 2)]

    def test_verdicts_of_one_cause_are_one_incident(self) -> None:
        _, changes = paged(verdict(), verdict(series("output_length"), before=812, after=560, at=T0 + 10))
        assert kinds(changes) == [TRIGGER]
        assert len(changes[0].incident.verdicts) == 2

    @pytest.mark.parametrize(
        "other",
        [
            verdict(series(service="search"), changed=T0 - 700),
            verdict(series(environment="staging")),
            verdict(series(region="eu"), at=T0 + 10, changed=T0 - 120 + 1841),
        ],
        ids=["another service", "another environment", "a change an interval away"],
    )
    def test_what_does_not_belong_together_is_two_incidents(self, other: Verdict) -> None:
        _, changes = paged(verdict(), other)
        assert kinds(changes) == [TRIGGER, TRIGGER]
        assert changes[0].incident.id != changes[1].incident.id

    def test_the_gap_is_measured_between_intervals_and_a_chain_does_not_grow(self) -> None:
        first = verdict()
        near = verdict(series(region="eu"), at=T0 + 5, changed=T0 - 120 + 1840)  # 1,800 s between the two intervals
        chained = verdict(series(region="us"), at=T0 + 6, changed=T0 - 120 + 3600)  # near to the second only
        _, changes = paged(first, near, chained)
        assert sorted(len(change.incident.verdicts) for change in changes) == [1, 2]

    def test_a_verdict_joins_the_nearest_of_several_incidents(self) -> None:
        incidents, _ = paged(verdict(changed=T0 - 5000), verdict(series(region="eu"), changed=T0 - 2000))
        (change,) = incidents.apply([verdict(series(region="us"), at=T0 + 40, changed=T0 - 3400)], NOTHING, T0 + 40)
        assert [v.changed_at for v in change.incident.verdicts] == [T0 - 2000, T0 - 3400]

    def test_a_notice_supports_an_incident_but_never_opens_one(self) -> None:
        notice = verdict(series("latency"), "notice", before=0.9, after=1.0)
        incidents = Incidents(IncidentsConfig())
        assert incidents.apply([notice], NOTHING, T0) == []
        assert not incidents.open
        incidents.apply([notice, verdict()], NOTHING, T0)
        assert {v.kind for v in incidents.open[0].verdicts} == {"page", "notice"}

    def test_a_notice_does_not_take_the_place_of_a_page(self) -> None:
        incidents, _ = paged(verdict())
        assert incidents.apply([verdict(kind="notice", at=T0 + 60, changed=T0)], NOTHING, T0 + 60) == []
        assert [v.kind for v in incidents.open[0].verdicts] == ["page"]

    def test_the_newest_verdict_of_a_series_replaces_its_last(self) -> None:
        incidents, _ = paged(verdict())
        (change,) = incidents.apply([verdict(at=T0 + 60, after=0.2)], NOTHING, T0 + 60)
        assert [v.after.value for v in change.incident.verdicts] == [0.2]

    def test_a_verdict_told_twice_changes_nothing(self) -> None:
        incidents, _ = paged(verdict())
        assert incidents.apply([verdict()], NOTHING, T0 + 60) == []

    def test_an_unknown_kind_of_verdict_is_refused_by_name(self) -> None:
        with pytest.raises(IncidentsError, match="'rumour'; known: page, notice, recovered"):
            Incidents(IncidentsConfig()).apply([verdict(kind="rumour")], NOTHING, T0)


class TestTelling:
    def test_what_joins_later_updates_the_same_incident_once(self) -> None:
        incidents, (trigger,) = paged(verdict())
        late = [verdict(series(metric), at=T0 + 60, before=2, after=3) for metric in ("output_length", "latency")]
        (update,) = incidents.apply(late, NOTHING, T0 + 60)
        assert (update.kind, update.incident.id) == (UPDATE, trigger.incident.id)
        assert len(update.incident.verdicts) == 3

    def test_a_severity_that_grows_notifies_under_a_new_key_and_never_falls(self) -> None:
        incidents, (trigger,) = paged(verdict(after=0.05))
        assert (trigger.incident.severity, trigger.incident.keys) == (
            Severity.ERROR,
            [f"undertow/{trigger.incident.id}"],
        )
        (worse,) = incidents.apply([verdict(at=T0 + 60, after=0.2)], NOTHING, T0 + 60)
        (better,) = incidents.apply([verdict(at=T0 + 90, after=0.04)], NOTHING, T0 + 90)
        assert kinds([worse, better]) == [ChangeKind.ESCALATE, UPDATE]
        assert [change.incident.severity for change in (worse, better)] == ["critical", "critical"]
        assert worse.incident.keys == better.incident.keys == [*trigger.incident.keys, f"{trigger.incident.keys[0]}/1"]

    def test_what_a_metric_weighs_decides_how_loudly_it_is_told(self) -> None:
        _, (trigger,) = paged(verdict(), config=IncidentsConfig(weights={"refusal_rate": 0.0}))
        assert trigger.incident.severity is Severity.WARNING

    def test_a_change_holds_what_was_known_when_it_was_told(self) -> None:
        incidents, (trigger,) = paged(verdict())
        before = msgspec.json.encode(trigger)
        incidents.apply([verdict(series(region="eu"), at=T0 + 60)], NOTHING, T0 + 60)
        assert msgspec.json.encode(trigger) == before

    def test_http_levels_and_versions_come_from_the_context(self) -> None:
        asked = []

        def levels(service: str, environment: str, since: float) -> list[Level]:
            asked.append((service, environment, since))
            return [Level("error_rate", 0.002, 0.002)]

        incidents = Incidents(IncidentsConfig())
        incidents.apply([verdict()], NOTHING, T0)
        version = Version("prompt_version", "v48", T0 - 130, "support", "prod")
        asked_why = []

        def account(about: Verdict, inputs_moved: float | None, outputs_moved: float | None) -> Account:
            asked_why.append((about.series.metric, inputs_moved, outputs_moved))
            return Account(explanation())

        (change,) = incidents.tick(T0 + 30, Context(levels, [version], account))
        assert asked == [("support", "prod", T0 - 120)]
        assert change.incident.headline.endswith("; HTTP green")
        assert change.incident.versions == [version]
        assert change.incident.causes[0]["value"] == "v48"
        assert change.incident.place == "in region=ap: 2 % → 40 %; elsewhere 2 % → 2 %"
        assert change.incident.carried_by == [("region", "ap")]
        assert asked_why == [("refusal_rate", None, None)]

    def test_a_tail_is_explained_by_the_levels_beside_it(self) -> None:
        asked = []

        def account(about: Verdict, _inputs: float | None, _outputs: float | None) -> None:
            asked.append(about.series.metric)

        tail = verdict(series("latency.high"), before=0.01, after=0.3, statistic=99.0)
        level = verdict(series("output_tokens"), before=100.0, after=180.0)
        Incidents(IncidentsConfig()).apply([tail, level], Context(account=account), T0)
        assert asked == ["output_tokens"]

    def test_a_page_is_completed_once_when_more_calls_are_in(self) -> None:
        context = Context(account=lambda *_: Account(explanation()))
        incidents = Incidents(IncidentsConfig())
        incidents.apply([verdict()], context, T0)
        (page,) = incidents.tick(T0 + 30, context)
        assert incidents.tick(T0 + 149, context) == []
        (update,) = incidents.tick(T0 + 150, context)
        assert (page.kind, update.kind, update.at) == (ChangeKind.TRIGGER, ChangeKind.UPDATE, T0 + 150)
        assert incidents.tick(T0 + 9000, context) == []

    def test_inputs_that_move_days_after_answers_did_are_told_of_them(self) -> None:
        asked = []

        def account(about: Verdict, inputs: float | None, outputs: float | None) -> None:
            asked.append((about.series.metric, inputs, outputs))

        incidents, days = Incidents(IncidentsConfig()), 3 * 86_400.0
        incidents.apply([verdict(changed=T0 - 60)], Context(account=account), T0)
        elsewhere = verdict(series(service="search"), at=T0 + 9, changed=T0 - 600)
        incidents.apply([elsewhere], Context(account=account), T0 + 9)
        about_inputs = verdict(series("input_length"), at=T0 + days, changed=T0 + days - 60, before=80.0, after=200.0)
        incidents.apply([about_inputs], Context(account=account), T0 + days)
        assert asked[-1] == ("input_length", T0 + days - 60, T0 - 60)

    def test_ids_are_a_function_of_the_opening_verdict_and_the_revision(self) -> None:
        one, two = (paged(verdict())[1][0] for _ in range(2))
        assert one.id == two.id == f"{one.incident.id}.1"


class TestRecovery:
    def test_recovery_of_every_paged_series_resolves(self) -> None:
        first, second = verdict(), verdict(series(region="eu"))
        notice = verdict(series("latency"), "notice", before=0.9, after=1.0)
        incidents, _ = paged(first, second, notice)
        (update,) = incidents.apply([recovered(first, T0 + 100)], NOTHING, T0 + 100)
        assert (update.kind, update.incident.recovered) == (UPDATE, [first.id])
        (resolve,) = incidents.apply([recovered(second, T0 + 200)], NOTHING, T0 + 200)
        assert (resolve.kind, resolve.incident.resolution, resolve.at) == (RESOLVE, "recovered", T0 + 200)
        assert not incidents.open

    def test_a_recovery_names_what_it_ends(self) -> None:
        incidents, _ = paged(verdict())
        foreign = verdict(kind="recovered", at=T0 + 100, opened="some other verdict")
        assert incidents.apply([foreign], NOTHING, T0 + 100) == []
        assert kinds(incidents.apply([verdict(kind="recovered", at=T0 + 110)], NOTHING, T0 + 110)) == [RESOLVE]

    def test_a_recovery_may_name_a_verdict_that_was_replaced(self) -> None:
        first = verdict()
        incidents, _ = paged(first)
        incidents.apply([verdict(at=T0 + 60, after=0.2)], NOTHING, T0 + 60)
        assert kinds(incidents.apply([recovered(first, T0 + 100)], NOTHING, T0 + 100)) == [RESOLVE]

    def test_a_series_that_changes_again_is_no_longer_recovered(self) -> None:
        first, second = verdict(), verdict(series(region="eu"))
        incidents, _ = paged(first, second)
        incidents.apply([recovered(first, T0 + 100)], NOTHING, T0 + 100)
        (again,) = incidents.apply([verdict(at=T0 + 150, after=0.3)], NOTHING, T0 + 150)
        assert again.incident.recovered == []
        assert kinds(incidents.apply([recovered(second, T0 + 200)], NOTHING, T0 + 200)) == [UPDATE]

    def test_what_recovers_while_held_is_told_in_order_and_wakes_nobody(self) -> None:
        first = verdict(after=0.5)
        incidents = Incidents(IncidentsConfig())
        assert incidents.apply([first, recovered(first, T0 + 20)], NOTHING, T0 + 20) == []
        trigger, resolve = incidents.tick(T0 + 60)
        assert kinds([trigger, resolve]) == [TRIGGER, RESOLVE]
        assert (trigger.incident.severity, trigger.at, resolve.at) == (Severity.WARNING, T0 + 30, T0 + 30)

    def test_an_incident_without_recovery_expires(self) -> None:
        incidents, _ = paged(verdict())
        day = 86_400
        assert incidents.tick(T0 + 14 * day - 1) == []
        (change,) = incidents.tick(T0 + 20 * day)
        assert (change.incident.resolution, change.at) == ("expired", T0 + 14 * day)
        assert incidents.counts() == {"opened": 1, "open": 0, "suppressed": 0, "resolved_expired": 1}

    @pytest.mark.parametrize("resolution", ["accepted", "false"])
    def test_an_operator_closes_an_incident(self, resolution: str) -> None:
        incidents, (trigger,) = paged(verdict())
        (change,) = incidents.manual(trigger.incident.id, resolution, T0 + 99)
        assert (change.kind, change.incident.resolution, change.silent) == (RESOLVE, resolution, False)

    def test_an_incident_closed_while_held_was_told_to_nobody(self) -> None:
        incidents = Incidents(IncidentsConfig())
        incidents.apply([verdict()], NOTHING, T0)
        (change,) = incidents.manual(incidents.open[0].id, "false", T0 + 5)
        assert (change.kind, change.silent) == (RESOLVE, True)

    def test_closing_what_is_not_open_or_in_no_known_way_says_so(self) -> None:
        incidents, (trigger,) = paged(verdict())
        with pytest.raises(IncidentsError, match="no incident 'abc' is open"):
            incidents.manual("abc", "false", T0)
        with pytest.raises(IncidentsError, match="use one of accepted, false"):
            incidents.manual(trigger.incident.id, "recovered", T0)


class TestStorm:
    def storm(self, services: int, limit: int = 3) -> tuple[Incidents, list[Change]]:
        named = [series(service=f"service-{n:02}", environment=f"tenant-{n:02}") for n in range(services)]
        verdicts = [verdict(of, at=T0 + n / 10) for n, of in enumerate(named)]
        return paged(*verdicts, config=IncidentsConfig(pages_per_hour=limit))

    def test_beyond_the_limit_one_summary_page_lists_the_rest(self) -> None:
        incidents, changes = self.storm(10)
        told = [change for change in changes if not change.silent]
        assert kinds(told) == [TRIGGER] * 4 + [UPDATE] * 6
        summary = told[-1].incident
        assert {change.incident.id for change in told[4:]} == {summary.id}
        assert len(summary.causes) == 7
        assert summary.headline.startswith("7 further incidents since 14:00 UTC, beyond 3 pages an hour")
        assert incidents.counts()["suppressed"] == 7

    def test_incidents_beyond_the_limit_are_kept_for_the_store(self) -> None:
        incidents, changes = self.storm(5)
        silent = [change for change in changes if change.silent]
        assert kinds(silent) == [TRIGGER, TRIGGER]
        assert len(incidents.open) == 5
        assert all(change.incident.summary for change in silent)

    def test_the_summary_resolves_with_all_it_lists_when_its_hour_is_over(self) -> None:
        incidents, _ = self.storm(5)
        hour_end = (T0 // 3600 + 1) * 3600
        ends = [recovered(v, T0 + 100) for incident in incidents.open for v in incident.verdicts]
        assert {c.silent for c in incidents.apply(ends, NOTHING, T0 + 100) if c.incident.summary} == {True}
        assert incidents.tick(hour_end - 1) == []
        (change,) = incidents.tick(hour_end + 500)
        assert (change.kind, change.at, change.incident.service) == (RESOLVE, hour_end, "undertow")
        assert all(cause["resolved"] for cause in change.incident.causes)

    def test_the_summary_notifies_again_when_what_it_lists_is_graver(self) -> None:
        incidents = Incidents(IncidentsConfig(pages_per_hour=1))
        mild = [verdict(series(environment=f"tenant-{n}"), after=0.05) for n in range(3)]
        incidents.apply(mild, NOTHING, T0)
        told = [change for change in incidents.tick(T0 + 30) if not change.silent]
        assert kinds(told) == [TRIGGER, TRIGGER, UPDATE]
        listed = next(incident for incident in incidents.open if incident.summary)
        grave = verdict(listed.verdicts[0].series, at=T0 + 60, after=0.5)
        (again,) = (change for change in incidents.apply([grave], NOTHING, T0 + 60) if not change.silent)
        assert (again.kind, again.incident.severity) == (ChangeKind.ESCALATE, "critical")
        assert again.incident.keys[:-1] == told[1].incident.keys

    def test_an_escalation_takes_a_place_in_its_hour(self) -> None:
        incidents, _ = paged(verdict(after=0.05), config=IncidentsConfig(pages_per_hour=2))
        incidents.apply(
            [verdict(at=T0 + 40, after=0.5), verdict(series(environment="other"), at=T0 + 40)], NOTHING, T0 + 40
        )
        assert kinds(change for change in incidents.tick(T0 + 70) if change.silent) == [TRIGGER]

    def test_the_next_hour_pages_again(self) -> None:
        incidents, _ = self.storm(5)
        later = T0 + 3600
        changes = incidents.apply([verdict(series(service="late"), at=later)], NOTHING, later) + incidents.tick(
            later + 30
        )
        assert [(change.kind, change.silent) for change in changes] == [(TRIGGER, False)]

    def test_a_summary_names_no_more_than_its_limit_and_gives_the_number(self) -> None:
        _, changes = self.storm(130, limit=1)
        summary = changes[-1].incident
        assert (len(summary.causes), summary.headline.split(" ")[0]) == (100, "129")

    def test_the_number_of_open_incidents_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "OPEN_LIMIT", 4)
        incidents, changes = self.storm(6, limit=100)
        assert len(incidents.open) == 4
        assert kinds(c for c in changes if c.incident.service == "service-00") == [TRIGGER, RESOLVE]
        assert incidents.counts()["resolved_expired"] == 2


class TestDeterminism:
    @staticmethod
    def stream(seed: int) -> list[Verdict]:
        """Pages, notices and recoveries of three services over two hours, one time a window."""
        rng = random.Random(seed)
        said: list[Verdict] = []
        for window in range(0, 7200, 10):
            for service in ("support", "search", "triage"):
                if rng.random() < 0.02:
                    of = series(rng.choice(["refusal_rate", "latency"]), service, region=rng.choice(["eu", "us"]))
                    kind = rng.choice(["page", "page", "notice", "recovered"])
                    said.append(verdict(of, kind, T0 + window, changed=T0 + window - rng.uniform(0, 900)))
        return said

    VERSIONED = Context(
        versions=[
            Version("prompt_version", value, T0 + at, service, "prod")
            for service, value, at in (
                ("support", "v2", 900.0),
                ("search", "v2", 960.0),
                ("triage", "t7", 930.0),
                ("support", "v3", 4000.0),
                ("triage", "t8", 4010.0),
            )
        ]
    )

    @staticmethod
    def play(
        verdicts: Sequence[Verdict], cuts: Sequence[float], context: Context = NOTHING, resume: bool = False
    ) -> list[Change]:
        incidents, told = Incidents(IncidentsConfig(pages_per_hour=4)), []
        for since, until in pairwise([T0 - 1, *cuts, T0 + 20_000]):
            batch = [v for v in verdicts if since < v.detected_at <= until]
            told += incidents.apply(batch, context, until)
            if resume:
                state = msgspec.json.decode(msgspec.json.encode(incidents.snapshot()), type=IncidentsState)
                incidents = build(IncidentsConfig(pages_per_hour=4), state)
        return told

    @staticmethod
    def by_incident(changes: Iterable[Change]) -> dict[str, list[tuple[str, ChangeKind, float, str]]]:
        found: dict[str, list[tuple[str, ChangeKind, float, str]]] = {}
        for change in changes:
            found.setdefault(change.incident.id, []).append(
                (change.id, change.kind, change.at, change.incident.headline)
            )
        return found

    @given(
        st.integers(0, 10_000),
        st.lists(st.integers(0, 720), max_size=12),
        st.sampled_from([NOTHING, VERSIONED]),
        st.randoms(use_true_random=False),
    )
    @settings(max_examples=60, deadline=None)
    def test_batches_ticks_and_resumption_change_nothing(
        self, seed: int, cuts: list[int], context: Context, rng: random.Random
    ) -> None:
        verdicts = self.stream(seed)
        whole = self.play(verdicts, [], context)
        shuffled = rng.sample(verdicts, len(verdicts))
        parts = self.play(shuffled, sorted({T0 + 10 * cut for cut in cuts}), context, resume=True)
        assert self.by_incident(parts) == self.by_incident(whole)

    @given(st.integers(0, 10_000))
    @settings(max_examples=40, deadline=None)
    def test_every_incident_is_triggered_once_and_resolved_at_most_once_last(self, seed: int) -> None:
        for story in self.by_incident(self.play(self.stream(seed), [], self.VERSIONED)).values():
            told = [kind for _, kind, _, _ in story]
            assert told[0] is TRIGGER
            assert told.count(TRIGGER) == 1
            assert RESOLVE not in told[:-1]
            assert [at for _, _, at, _ in story] == sorted(at for _, _, at, _ in story)

    def test_a_snapshot_is_plain_data_and_no_view(self) -> None:
        incidents, _ = paged(verdict())
        state = incidents.snapshot()
        before = msgspec.json.encode(state)
        incidents.apply([verdict(at=T0 + 60, after=0.2)], NOTHING, T0 + 60)
        assert msgspec.json.encode(state) == before
        assert msgspec.json.encode(build(IncidentsConfig(), state).snapshot()) == before

    def test_a_snapshot_of_another_version_is_refused_with_both(self) -> None:
        with pytest.raises(IncidentsError, match=r"version 99, this program reads 1.*to start afresh"):
            build(IncidentsConfig(), IncidentsState(version=99))


@pytest.mark.parametrize("name", ["hold_s", "join_s", "pages_per_hour", "expiry_s"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_configuration_that_makes_no_sense_is_refused_by_name(name: str, value: float) -> None:
    wrong: Any = {name: value}
    with pytest.raises(IncidentsError, match=rf"{name} = (-1|nan) is too small"):
        IncidentsConfig(**wrong)
