"""One incident, several on-call teams: an alert each, cross-linked, and each team answers for itself."""

from __future__ import annotations

from pathlib import Path

from alert_samples import T0, series, verdict
from pagerduty_server import Alert, PagerDutyServer

from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.incident import Change, Context, Incident
from undertow.alerts.incidents import Incidents, IncidentsConfig
from undertow.alerts.matcher import Matcher
from undertow.alerts.outbox import Outbox
from undertow.alerts.pager import Pager, Policy
from undertow.alerts.routes import Route, Routes
from undertow.alerts.services import parts
from undertow.alerts.silences import Silence, Silences
from undertow.drift.verdict import Verdict

KEYS = {"payments": "0123456789abcdef0123456789abcdef", "search": "abcdef0123456789abcdef0123456789"}
ROUTES = (
    Route(service=("pay-*",), channels=("payments",)),
    Route(service=("search",), channels=("search",)),
)


def shifted(service: str, metric: str = "refusal_rate", at: float = T0, after: float = 0.05) -> Verdict:
    return verdict(series(metric, service), at=at, changed=T0 - 120, after=after)


class Duty:
    """Two integrations of one PagerDuty, told of what incidents say."""

    def __init__(self, server: PagerDutyServer, folder: Path) -> None:
        found = {name: PagerDuty(key, server.clock, server.url) for name, key in KEYS.items()}
        self.server, self.outbox = server, Outbox(folder / "outbox.sqlite")
        self.pager = Pager(self.outbox, found, server.clock, Policy(routes=ROUTES))
        self.incidents = Incidents(IncidentsConfig())

    def tell(self, changes: list[Change]) -> None:
        self.pager.submit(changes)
        for _ in changes:
            self.pager.pump()

    def take(self, *verdicts: Verdict, until: float) -> None:
        self.tell(self.incidents.apply(verdicts, Context(), until))

    def alerts(self, team: str) -> list[Alert]:
        return [alert for alert in self.server.alerts if alert.events[0]["routing_key"] == KEYS[team]]


def test_each_team_has_an_alert_of_its_own_which_names_the_others(tmp_path: Path) -> None:
    with PagerDutyServer(lambda: T0) as server:
        duty = Duty(server, tmp_path)
        duty.take(shifted("pay-in"), shifted("pay-out"), shifted("search"), until=T0 + 30)
        (payments,), (search,) = duty.alerts("payments"), duty.alerts("search")
        (incident,) = duty.incidents.open
        assert payments.dedup_key != search.dedup_key
        assert incident.id in payments.dedup_key
        assert incident.id in search.dedup_key
        said = [alert.events[0]["payload"]["custom_details"]["teams"] for alert in (payments, search)]
        shared = f"all of it is incident {incident.id}"
        assert said == [
            ["payments (this page): pay-in, pay-out", "search: search", shared],
            ["search (this page): search", "payments: pay-in, pay-out", shared],
        ]
        duty.outbox.close()


def test_a_team_whose_service_joins_later_is_paged_then(tmp_path: Path) -> None:
    with PagerDutyServer(lambda: T0) as server:
        duty = Duty(server, tmp_path)
        duty.take(shifted("pay-in"), until=T0 + 30)
        assert not duty.alerts("search")
        duty.take(shifted("search", at=T0 + 60), until=T0 + 60)
        (alert,) = duty.alerts("search")
        assert alert.events[0]["event_action"] == "trigger"
        assert [event["event_action"] for event in duty.alerts("payments")[0].events] == ["trigger", "trigger"]
        duty.outbox.close()


def test_an_escalation_wakes_every_team_under_a_key_of_its_own_and_a_resolve_ends_them_all(tmp_path: Path) -> None:
    with PagerDutyServer(lambda: T0) as server:
        duty = Duty(server, tmp_path)
        first = [shifted("pay-in"), shifted("search")]
        duty.take(*first, until=T0 + 30)
        duty.take(worse := shifted("search", at=T0 + 60, after=0.6), until=T0 + 60)
        for team in KEYS:
            mild, grave = duty.alerts(team)
            assert (mild.open, grave.open) == (False, True)
            assert grave.dedup_key == f"{mild.dedup_key}/1"
        back = [verdict(of.series, "recovered", T0 + 90, changed=T0 - 120, opened=of.id) for of in (first[0], worse)]
        duty.take(*back, until=T0 + 90)
        assert not any(alert.open for alert in server.alerts)
        assert server.ignored == []
        duty.outbox.close()


def test_what_one_team_acknowledges_at_pagerduty_the_other_still_has_to(tmp_path: Path) -> None:
    with PagerDutyServer(lambda: T0) as server:
        duty = Duty(server, tmp_path)
        duty.take(shifted("pay-in"), shifted("search"), until=T0 + 30)
        key = duty.incidents.open[0].id
        duty.tell(duty.incidents.acknowledge(key, T0 + 60, "anna", "https://example.pagerduty.com/incidents/P1"))
        actions = {event["event_action"] for alert in server.alerts for event in alert.events}
        assert actions == {"trigger"}
        duty.outbox.close()


def test_routes_see_each_service_by_itself() -> None:
    (incident,) = _open(shifted("pay-in"), shifted("search", "latency", after=3.0))
    by_metric = Routes([Route(service=("pay-*",), metric=("latency",), channels=("search",)), *ROUTES], [*KEYS])
    assert by_metric.teams(incident) == {"payments": ["pay-in"], "search": ["search"]}
    assert Routes([], [*KEYS]).teams(incident) == {}, "all are told of all: nobody to name"


def test_a_silence_of_one_service_holds_no_page_back_that_is_also_about_another() -> None:
    incident, of_one = _open(shifted("pay-in"), shifted("search"))[0], _silence("pay-*", T0 + 900)
    assert Silences(configured=[of_one]).on(incident, T0) is None
    both = Silences(configured=[of_one, _silence("search", T0 + 300)])
    held = both.on(incident, T0)
    assert held is not None
    assert held.ends_at == T0 + 300, "from then on one of them is silent no longer"


def test_each_service_has_its_own_part() -> None:
    (incident,) = _open(shifted("pay-in"), shifted("search"), shifted("search", "latency", after=3.0))
    assert {part.service: len(part.verdicts) for part in parts(incident)} == {"pay-in": 1, "search": 2}


def _open(*verdicts: Verdict) -> list[Incident]:
    incidents = Incidents(IncidentsConfig())
    incidents.apply(verdicts, Context(), T0)
    return list(incidents.open)


def _silence(service: str, until: float) -> Silence:
    matcher = Matcher(service=(service,))
    return Silence(id=service, matcher=matcher, starts_at=T0 - 60, ends_at=until, reason="load test", by="anna")
