"""The chart in letters."""

from __future__ import annotations

from alert_samples import incident, series, verdict

from undertow.alerts.chart import bar, chart


def test_before_and_since_side_by_side_on_one_scale() -> None:
    lines = chart(incident(verdicts=[verdict(before=0.05, after=0.1)]))
    assert lines == [
        "answers that refuse",
        f"  before {'█' * 12} 5 %",
        f"  since  {'█' * 24} 10 %",
    ]


def test_four_metrics_at_most_the_one_of_the_headline_first() -> None:
    names = ("latency", "output_length", "input_length", "error_rate", "truncation_rate")
    lines = chart(incident(verdicts=[verdict(series(name)) for name in names] + [verdict(statistic=99.0)]))
    assert (len(lines), lines[0]) == (12, "answers that refuse")


def test_of_a_mix_the_names_whose_share_moved_most() -> None:
    moved = (("a", 0.1, 0.4), ("b", 0.5, 0.3), ("c", 0.4, 0.3), ("d", 0.0, 0.0))
    lines = chart(incident(verdicts=[verdict(series("label_mix"), moved=moved)]))
    assert [line for line in lines if not line.startswith(" ")] == [
        f"labels that were decided: {name}" for name in "abc"
    ]
    assert lines[1:3] == ["  before ██████ 10.0 %", f"  since  {'█' * 24} 40.0 %"]


def test_what_is_no_number_has_no_bar() -> None:
    lines = chart(incident(verdicts=[verdict(before=float("nan"), after=0.0)]))
    assert lines[1:] == ["  before unknown", "  since  0 %"]
    assert bar(float("inf")) == bar(-1.0) == ""


def test_a_summary_page_has_none() -> None:
    assert chart(incident(verdicts=[])) == []
