"""One incident as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from alert_samples import T0, incident, series, verdict

from undertow.alerts.links import Link
from undertow.dashboards.report import render_report
from undertow.pipelines.incident_report import report

SHOWN = {
    "before": [{"id": "1", "time": T0 - 500, "input": "where is my order", "output": "on its way"}],
    "since": [{"id": "2", "time": T0, "input": "cancel <b>it</b>", "output": "I cannot do that"}],
}


def levels(asked: list[str]) -> Any:
    def answer(sql: str) -> Sequence[Sequence[Any]]:
        asked.append(sql)
        return [[stretch, 100, 0.02, 2] for stretch in range(60)]

    return answer


def test_the_page_holds_the_answer_the_charts_the_calls_and_the_words() -> None:
    asked: list[str] = []
    found = incident(
        shown=SHOWN,
        words=['new: "i cannot" in 40 % of the answers'],
        moved_by="the answers moved",
        cards=[["prompt_version=v48, new", "answers that refuse: 2 % without it, 11 % on it"]],
    )
    page = render_report(report(found, levels(asked)))
    assert found.headline in page
    for told in ("<svg", "I cannot do that", "the answers moved", "i cannot", "11 % on it", "undertow explain"):
        assert told in page
    assert "cancel <b>it</b>" not in page
    assert len(asked) == 1


def test_a_chart_is_asked_for_its_series_around_the_change() -> None:
    asked: list[str] = []
    of = series(region="o'hare")
    report(incident(verdicts=[verdict(of)]), levels(asked))
    assert "segment['region'] = 'o\\'hare'" in asked[0]
    assert "metric = 'refusal_rate'" in asked[0]


def test_what_has_no_level_is_not_drawn() -> None:
    asked: list[str] = []
    told = [verdict(series("latency.high")), verdict(series("output_centroid")), verdict(series("rule.residency"))]
    drawn = report(incident(verdicts=told), levels(asked))
    assert asked == []
    assert drawn.charts == []
    assert [row.metric for row in drawn.incidents[0].rows] == ["latency.high"]


def test_a_summary_of_many_incidents_has_a_page_too() -> None:
    page = incident(verdicts=[], versions=[], causes=[{"kind": "incident", "text": "support: refuses [1]"}])
    assert "refuses [1]" in render_report(report(page, levels([])))


def test_what_moved_names_categories_too_without_an_interval() -> None:
    keys = msgspec.structs.replace(
        verdict(series("output_structure")), moved=(("{exec_summary:string}", 0.0, 0.063),), direction="shift"
    )
    found = report(incident(verdicts=[keys]), levels([]))
    (row,) = found.incidents[0].rows
    assert (row.metric, row.after.value) == ("{exec_summary:string}", 0.063)
    page = render_report(found)
    assert "6.3 %" in page
    assert "nan" not in page


def test_a_ready_query_leads_further() -> None:
    assert "SELECT toStartOfMinute(window_start)" in render_report(report(incident(), levels([])))


def test_a_page_that_left_before_what_now_leads_the_incident_says_so() -> None:
    page = render_report(report(incident(paged_at=T0 - 600), levels([])))
    assert "8 min before what now leads" in page


def test_the_headline_is_cut_where_it_turns_to_what_else_moved() -> None:
    page = render_report(report(incident(), levels([])))
    assert "since 14:11 UTC</span></h1>" in page
    assert '<p class="lead" dir="auto">HTTP green</p>' in page


def test_the_report_leads_back_to_what_it_is_given() -> None:
    drawn = render_report(report(incident(), levels([]), [Link("Grafana", "https://g.org/d/x?a=1&b=<2>")]))
    assert '<a href="https://g.org/d/x?a=1&amp;b=&lt;2&gt;" rel="noreferrer">Grafana</a>' in drawn
    assert "<a " not in render_report(report(incident(), levels([])))


def test_what_is_wrong_with_the_watch_itself_has_a_report_too() -> None:
    own = incident(verdicts=[], about="store", headline="the store has taken no rows for 3 min")
    assert "the store has taken no rows for 3 min" in render_report(report(own, levels([])))
