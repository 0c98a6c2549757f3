"""How much of an incident is back, by series and by traffic, and what is not."""

from __future__ import annotations

import pytest
from alert_samples import T0, series, verdict

from undertow.alerts.incident import Context, Incident, State
from undertow.alerts.incidents import Incidents, IncidentsConfig
from undertow.alerts.life import standing
from undertow.alerts.text import page_text
from undertow.drift.verdict import Series, Verdict

WHOLE, EU, US, AP = verdict(), *(verdict(series(region=region)) for region in ("eu", "us", "ap-south"))
CALLS = {(): 1000, (("region", "eu"),): 600, (("region", "us"),): 330, (("region", "ap-south"),): 70}


def calls(of: Series) -> int:
    return CALLS.get(of.segment, 200) if of.service == "support" else 3000


def after(concerned: list[Verdict], back: list[Verdict], context: Context | None = None) -> Incident:
    """The incident of these verdicts once some of them are back."""
    incidents, context = Incidents(IncidentsConfig()), context or Context(calls=calls)
    incidents.apply(concerned, context, T0 + 30)
    for number, one in enumerate(back):
        at = T0 + 100 + number
        incidents.apply([verdict(one.series, "recovered", at, opened=one.id)], context, at)
    (incident,) = incidents.open
    return incident


def test_the_share_of_the_traffic_that_is_back_is_told_with_the_slice_that_is_not() -> None:
    incident = after([WHOLE, EU, US, AP], [WHOLE, EU, US])
    assert incident.state is State.RECOVERING
    assert standing(incident).endswith("3 of 4 series back: 93 % of the traffic is back, region=ap-south is not")
    assert "93 % of the traffic is back" in page_text(incident)


@pytest.mark.parametrize(
    ("concerned", "back", "share"),
    [
        ([WHOLE, EU, US, AP], [EU, US], 0.93),  # the whole is not back yet: what its slices say
        ([WHOLE, EU], [EU], 0.6),  # nothing is known of the other regions
        ([EU, AP], [EU], 600 / 670),  # of the traffic concerned
        ([WHOLE, verdict(series("latency"), before=0.9, after=2.0)], [WHOLE], 0.0),  # all calls are slow still
        ([WHOLE, AP, verdict(series(operation="triage"))], [WHOLE], 0.73),  # dimensions may overlap: at least so much
    ],
)
def test_the_share_is_of_calls_of_which_nothing_is_away(
    concerned: list[Verdict], back: list[Verdict], share: float
) -> None:
    assert after(concerned, back).back == pytest.approx(share)


def test_no_share_is_told_where_no_calls_are_known() -> None:
    incident = after([EU, AP], [EU], Context())
    assert incident.back is None
    assert standing(incident).endswith("1 of 2 series back, region=ap-south is not")


def test_a_share_is_never_rounded_up_to_all() -> None:
    few = Context(calls=lambda of: 10_000 if of.segment == (("region", "eu"),) else 3)
    assert "99 % of the traffic is back" in standing(after([EU, AP], [EU], few))


def test_without_a_slice_the_metric_that_is_not_back_is_named() -> None:
    slow = verdict(series("latency"), before=0.9, after=2.0)
    assert standing(after([WHOLE, slow], [WHOLE])).endswith("0 % of the traffic is back, latency of calls is not")


def test_many_slices_that_are_away_are_counted() -> None:
    regions = [verdict(series(region=f"r{number}")) for number in range(6)]
    assert standing(after(regions, regions[:1])).endswith("region=r1, region=r2, region=r3 and 2 more are not")


def test_a_slice_that_changes_again_takes_its_traffic_along() -> None:
    incidents, context = Incidents(IncidentsConfig()), Context(calls=calls)
    incidents.apply([WHOLE, EU, US, AP], context, T0 + 30)
    incidents.apply([verdict(one.series, "recovered", T0 + 100) for one in (WHOLE, EU, US)], context, T0 + 100)
    incidents.apply([verdict(US.series, at=T0 + 200)], context, T0 + 200)
    (incident,) = incidents.open
    assert incident.back == pytest.approx(0.6)
    incidents.apply([verdict(one.series, "recovered", T0 + 300) for one in (US, AP)], context, T0 + 300)
    assert incidents.open == []
