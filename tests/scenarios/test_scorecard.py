"""The scorecard runs, in its quick form; its yardstick, intervals and dummies are what they claim to be."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import ks_2samp
from scorecard import __main__ as scorecard
from scorecard import abrupt, document, ours, real, rivals, today
from scorecard.ours import RATE, Kind
from scorecard.section import FULL, QUICK, Bar, Goal
from scorecard.traffic import RateTraffic, swinging
from scorecard.yardstick import (
    Change,
    Measured,
    Shift,
    beyond,
    mean_of,
    optimal_delay,
    rate_of,
    ratio,
    run_length_of,
    share_of,
)


@pytest.mark.slow
def test_the_quick_form_writes_every_table_and_figure(tmp_path: Path) -> None:
    """It is one document; each goal in it has its interval; the figures that it names are there."""
    scorecard.main(["--quick", "--docs", str(tmp_path), "--data", str(tmp_path / "none")])
    text = (tmp_path / "scorecard.md").read_text()
    assert "quick form" in text
    for section in scorecard.sections(QUICK, tmp_path / "none"):
        assert f"## {section.title}\n" in text
    goals = [line for line in text.splitlines() if line.startswith("| rates, ρ = 0, δ = 0")]
    assert goals
    assert all("[" in line for line in goals)
    figures = [line.split("(")[-1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert figures
    assert all((tmp_path / name).read_text().startswith("<svg") for name in figures)


@pytest.mark.data
def test_the_tables_of_real_data_are_there(shared_data: Path) -> None:
    names = {section.name for section in scorecard.sections(FULL, shared_data)}
    assert {"real nulls", "tcpd", "nab", "embeddings"} <= names


@pytest.mark.parametrize("change", [Change(0.01, 0.03), Change(0.1, 0.02), Change(0.2, 0.3)])
def test_the_yardstick_is_what_the_optimum_needs(change: Change) -> None:
    """Siegmund's approximation is within 15 % of a simulated CUSUM that knows both rates."""
    simulated = rivals.oracle(change, 1e4, 400).mean.value
    assert simulated == pytest.approx(optimal_delay(change, 1e4), rel=0.15)


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(3)
    counts, hits = rng.poisson(4.0, 400).tolist(), rng.binomial(50, 0.1, 400).tolist()
    samples = rng.exponential(7.0, (400, 60))
    for intervals, truth in (
        ([rate_of(count, 2.0) for count in counts], 2.0),
        ([share_of(hit, 50) for hit in hits], 0.1),
        ([mean_of(sample.tolist()) for sample in samples], 7.0),
        ([run_length_of(2.0, count) for count in counts if count], 0.5),
    ):
        held = np.mean([interval.low <= truth <= interval.high for interval in intervals])
        assert 0.90 < held <= 1.0


@pytest.mark.parametrize("change", [Change(0.02, 0.06), Change(0.1, 0.02), Shift(0.8), Shift(1.3)])
def test_what_lies_beyond_a_band_is_smaller_by_the_band(change: Change | Shift) -> None:
    """The whole change without a band; with one as wide as the change itself nothing is left to tell."""
    width = 0.1
    assert optimal_delay(beyond(change, 0.0), 1e5) == pytest.approx(optimal_delay(change, 1e5))
    assert optimal_delay(beyond(change, width), 1e5) > optimal_delay(change, 1e5)
    left = beyond(change, width)
    if isinstance(left, Shift) and isinstance(change, Shift):
        assert abs(math.log(left.factor)) == pytest.approx(abs(math.log(change.factor)) - width)
    elif isinstance(left, Change) and isinstance(change, Change):
        assert left.after == change.after
        assert abs(logit(left.before) - logit(change.before)) == pytest.approx(width)


def test_a_quotient_is_less_certain_than_its_parts() -> None:
    found = ratio(Measured(4.0, 3.6, 4.4), Measured(2.0, 1.8, 2.2))
    assert found.value == 2.0
    assert found.low < 2.0 * 0.9
    assert found.high > 2.0 * 1.1


def test_the_remembered_test_of_kswin_is_that_of_scipy() -> None:
    rng = np.random.default_rng(8)
    for shift in np.linspace(0, 1, 20).tolist():
        for first, second in (
            (rng.normal(size=30), rng.normal(shift, 1, 30)),
            (rng.binomial(1, 0.2, 30) * 1.0, rng.binomial(1, 0.2 + shift / 2, 30) * 1.0),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", RuntimeWarning
                )  # scipy's exact p-value may overflow; KSWIN hides it, too
                theirs, mine = ks_2samp(first, second), rivals._ks_2samp(first.tolist(), second.tolist(), "auto")
            assert mine == pytest.approx((theirs.statistic, theirs.pvalue))


def test_every_detector_that_is_re_tuned_has_its_knobs() -> None:
    """Otherwise its rows would be missing without a word."""
    wanted = {
        rivals.key(rival, change, abrupt.SHORT) for rival in rivals.RIVALS.values() for change in abrupt.CHANGES
    } | {rivals.key(rivals.RIVALS["ADWIN"], change, FULL.long) for change in abrupt.CHANGES}
    assert wanted <= set(rivals.tuned())


def test_who_is_silent_with_a_large_share_is_not_asked_with_a_smaller_one() -> None:
    """One pass for both budgets where nothing alarms, and the same counts as each budget gives alone where it does."""
    drawn: list[RateTraffic] = []

    def traffic() -> RateTraffic:
        drawn.append(RateTraffic(0.05, wander=0.4))
        return drawn[-1]

    def pages(*shares: float) -> list[int]:
        return ours.false_pages(Kind(ours.rates, RATE), traffic, 50_000.0, 40, shares, 1.0, 2.0)

    both = pages(0.001, 0.5)
    assert both[1] > 0
    assert both == [*pages(0.001), *pages(0.5)]
    drawn.clear()
    assert pages(1e-9, 1e-8) == [0, 0]
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (Measured(1.0, 0.9, 1.1), "met"),
        (Measured(1.4, 1.2, 1.6), "met, within the error"),
        (Measured(1.6, 1.4, 1.8), "**missed**, within the error"),
        (Measured(2.0, 1.8, 2.2), "**missed**"),
    ],
)
def test_a_goal_says_whether_its_interval_leaves_a_doubt(measured: Measured, verdict: str) -> None:
    assert Goal("a goal", 1.5, measured).verdict == verdict


def test_a_tuned_rule_sends_the_pages_it_was_tuned_to() -> None:
    """On the traffic of its tuning exactly; and `always` and `never` do what they say."""
    traffic = RateTraffic(0.02, season=0.5)
    seen = today.hours(traffic, traffic, 20_000.0, 300, 0, 5)
    for rule in today.RULES[:4]:
        assert today.days_paged(rule.score(seen), rule.knob(seen, 12)) in range(8, 13), rule.name  # ties page together
    always, never = today.RULES[4:]
    assert today.days_paged(always.score(seen), 0.0) == 300 * 7
    assert np.isinf(today.first_page(never.score(seen), 0.0, 12)).all()


def test_a_version_test_does_not_see_a_silent_change() -> None:
    before, after = RateTraffic(0.02), RateTraffic(0.2)
    seen = today.hours(before, after, 20_000.0, 200, 12, 6)
    rule = next(rule for rule in today.RULES if "version" in rule.name)
    told = seen._replace(version=np.full(200, today.HISTORY + 12))
    early = seen._replace(version=np.full(200, today.HISTORY - 48))
    assert np.isfinite(today.first_page(rule.score(told), 6.0, 12)).mean() > 0.95
    assert np.isfinite(today.first_page(rule.score(early), 6.0, 12)).mean() < 0.05


@pytest.mark.parametrize(
    "knobs",
    [{}, {"season": 0.5}, {"sessions": 0.2}, {"retries": 0.5}, {"volume": swinging}, {"wander": 0.1}, {"weekly": 0.3}],
)
def test_nothing_changes_in_a_null(knobs: dict[str, Any]) -> None:
    """Whatever honest traffic does, its rate over whole weeks is the one that was asked for."""
    traffic, rng = RateTraffic(0.05, **knobs), np.random.default_rng(7)
    drawn = [traffic.draw(rng, hour * 3600.0, 120.0, 50) for hour in range(336)]
    events, hits = (sum(float(part[i].sum()) for part in drawn) for i in (0, 1))
    assert hits / events == pytest.approx(0.05 * (1 - knobs.get("weekly", 0.0) * 2 / 7), rel=0.04)


def test_tcpd_scores_as_the_paper_does() -> None:
    """A change at 0 is implied; silence has all precision and the recall of 0; the covering of two halves is a half."""
    assert real.score_tcpd([[50]], [50], 100) == (1.0, 1.0)
    assert real.score_tcpd([[50]], [54], 100)[0] == 1.0
    f1, covering = real.score_tcpd([[50]], [], 100)
    assert f1 == pytest.approx(2 / 3)
    assert covering == 0.5


def test_nab_scores_early_detections_higher_and_misses_at_minus_one() -> None:
    window = [(100, 200)]
    first, last = real.score_nab([100], window), real.score_nab([199], window)
    assert first == pytest.approx(1.0)
    assert 0 < last < 0.1
    assert real.score_nab([], window) == -1.0
    assert real.score_nab([50], window) == pytest.approx(-1.11)


def test_a_figure_has_a_dot_inside_each_interval() -> None:
    drawn = document.figure(
        "times", [Bar("a < b", Measured(2.0, 1.0, 3.0)), Bar("ours", Measured(90.0, 80.0, 99.0), True)]
    )
    assert drawn.count("<circle") == 2
    assert all(part in drawn for part in ("a &lt; b", "dot ours"))
    assert not math.isnan(float(drawn.split('cx="')[1].split('"')[0]))
