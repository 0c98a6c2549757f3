"""Sampling keeps the budget, every slice visible and every mean unbiased, and follows from the log alone."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert, json, to_builtins
from numpy.typing import NDArray

from undertow.drift.interaction import Interaction
from undertow.drift.sampling import Sampling, SamplingState

WIDTH, LATENESS = 10.0, 20.0
SHARES = np.array([0.5, 0.3, 0.15, 0.04, 0.009, 0.001])  # of the values of the first dimension


class Traffic:
    """So many events a second of one service, with two dimensions of which the second is often absent."""

    def __init__(self, seconds: int, per_s: int, seed: int = 1, services: int = 1) -> None:
        rng = np.random.default_rng(seed)
        count = seconds * per_s
        self.times = np.sort(rng.uniform(0, seconds, count))
        service = rng.integers(services, size=count)
        self.events = [
            Interaction(id=f"{seed}-{n}", time=float(time), service=f"s{number}")
            for n, (time, number) in enumerate(zip(self.times, service.tolist(), strict=True))
        ]
        first = 1 + rng.choice(len(SHARES), count, p=SHARES)
        second = np.where(rng.random(count) < 0.4, 7 + rng.integers(3, size=count), -1)
        groups = np.column_stack([np.zeros(count, np.int64), first, second])
        self.groups = np.where(groups >= 0, groups + 10 * service[:, None], -1).astype(np.int32)

    def admitted(self, sampling: Sampling, sizes: list[int] | None = None) -> NDArray[np.int32]:
        """Offer the events in batches of these sizes, over and over, or all at once."""
        bounds = [0]
        while bounds[-1] < len(self.events):
            size = sizes[len(bounds) % len(sizes)] if sizes else len(self.events)
            bounds.append(min(bounds[-1] + size, len(self.events)))
        return np.concatenate(
            [sampling.admit(self.events[a:b], self.times[a:b], self.groups[a:b]) for a, b in pairwise(bounds)]
        )

    def since(self, time: float) -> NDArray[np.bool_]:
        return self.times >= time


STEADY = 40.0  # seconds after which rates follow from whole windows: lateness, one window, and the window of the event


def sampled(traffic: Traffic, budget: float) -> NDArray[np.int32]:
    return traffic.admitted(Sampling(budget, WIDTH, LATENESS))


def test_below_the_budget_everything_is_embedded() -> None:
    traffic = Traffic(100, 50)
    sampling = Sampling(60, WIDTH, LATENESS)
    np.testing.assert_array_equal(traffic.admitted(sampling), traffic.groups)
    assert (sampling.offered, sampling.taken, sampling.share) == (5000, 5000, 1.0)


@pytest.mark.parametrize("budget", [5, 20, 60, 150])
def test_beyond_it_as_many_are_embedded_as_the_budget_says(budget: float) -> None:
    traffic = Traffic(240, 200, services=2)
    steady = traffic.since(STEADY)
    taken = (sampled(traffic, budget)[steady] >= 0).any(axis=1).sum()
    assert taken / 200 == pytest.approx(budget, rel=0.06)


def test_a_small_slice_is_seen_whole_and_large_ones_get_equal_shares() -> None:
    traffic = Traffic(240, 400)
    steady = traffic.since(STEADY)
    kept, offered = sampled(traffic, 60)[steady], traffic.groups[steady]
    counts, all_counts = (np.bincount(groups[groups >= 0]) for groups in (kept, offered))
    assert counts[6] == all_counts[6], "0.1 % of the traffic"
    large = counts[all_counts > 8000]
    assert len(large) >= 6
    assert large.max() / large.min() < 1.15


def test_what_a_large_slice_takes_its_small_ones_take_too() -> None:
    """So an event is embedded once for all its slices, and a slice's sample never depends on another dimension."""
    kept = sampled(Traffic(120, 400), 60)
    whole = kept[:, 0] >= 0
    assert (kept[whole, 1] >= 0).all()


def test_the_mean_of_each_slice_is_unbiased() -> None:
    """Over 40 logs the errors of a slice's mean average out, though values differ between the slices of an event."""
    errors: dict[int, list[float]] = {group: [] for group in range(10)}
    for seed in range(40):
        traffic = Traffic(80, 200, seed)
        values = traffic.groups[:, 1] + 3.0 * (traffic.groups[:, 2] >= 0)
        kept, steady = sampled(traffic, 30), traffic.since(STEADY)
        for group, found in errors.items():
            inside, taken = ((groups == group).any(axis=1) & steady for groups in (traffic.groups, kept))
            found.append(float(values[taken].mean() - values[inside].mean()))
    for group, found in errors.items():
        spread = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found)) <= 3.5 * spread + 1e-12, f"slice {group}"


@given(st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_batches_do_not_change_what_is_taken(sizes: list[int]) -> None:
    traffic = Traffic(50, 130)  # windows with more events than are remembered
    np.testing.assert_array_equal(
        traffic.admitted(Sampling(20, WIDTH, LATENESS), sizes), traffic.admitted(Sampling(20, WIDTH, LATENESS))
    )


@given(st.integers(1, 5999))
def test_a_restart_changes_nothing(cut: int) -> None:
    traffic = Traffic(60, 100)
    straight = Sampling(20, WIDTH, LATENESS)
    expected = traffic.admitted(straight)
    first = Sampling(20, WIDTH, LATENESS)
    head = first.admit(traffic.events[:cut], traffic.times[:cut], traffic.groups[:cut])
    stored = json.encode(first.snapshot())
    second = Sampling(20, WIDTH, LATENESS, json.decode(stored, type=SamplingState))
    tail = second.admit(traffic.events[cut:], traffic.times[cut:], traffic.groups[cut:])
    np.testing.assert_array_equal(np.concatenate([head, tail]), expected)
    assert to_builtins(second.snapshot()) == to_builtins(straight.snapshot())


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_events_out_of_order_within_the_lateness_are_taken_alike(seed: int) -> None:
    """As long as no window needs the limit of twice the budget."""
    traffic = Traffic(50, 130)
    kept = traffic.admitted(Sampling(70, WIDTH, LATENESS))
    expected = dict(zip([event.id for event in traffic.events], kept.tolist(), strict=True))
    assert (kept < traffic.groups).any(), "a test in which all are taken shows nothing"
    late_by = np.random.default_rng(seed).uniform(0, LATENESS / 2, len(traffic.events))
    order = np.argsort(traffic.times + late_by)
    traffic.events = [traffic.events[i] for i in order.tolist()]
    traffic.times, traffic.groups = traffic.times[order], traffic.groups[order]
    found = traffic.admitted(Sampling(70, WIDTH, LATENESS), [97])
    assert dict(zip([event.id for event in traffic.events], found.tolist(), strict=True)) == expected


def test_a_sudden_wave_costs_twice_the_budget_until_its_first_window_has_closed() -> None:
    calm, wave = Traffic(100, 20, seed=2), Traffic(100, 400, seed=3)
    sampling = Sampling(100, WIDTH, LATENESS)
    calm.admitted(sampling)
    assert sampling.share == 1
    kept = sampling.admit(wave.events, wave.times + 100, wave.groups)
    taken = [int((kept[wave.times // 10 == window] >= 0).any(axis=1).sum()) for window in range(10)]
    assert taken[:3] == [2 * 100 * WIDTH] * 3
    assert taken[3:] == pytest.approx([100 * WIDTH] * 7, rel=0.2)
    assert sampling.beyond == (wave.times < 30).sum() - sum(taken[:3])


def test_a_slice_that_the_rates_do_not_know_yet_is_taken_whole() -> None:
    traffic = Traffic(100, 400)
    new, last = traffic.groups.copy(), traffic.times >= 90
    new[last, 1] = np.where(np.arange(last.sum()) % 20 == 0, 55, -1)
    kept = Sampling(20, WIDTH, LATENESS).admit(traffic.events, traffic.times, new)
    assert (kept[last, 1] == new[last, 1]).all()
    assert (kept[last, 0] >= 0).mean() < 0.1


def test_what_it_remembers_does_not_grow_with_the_traffic() -> None:
    sizes = []
    for seconds in (100, 1000):
        sampling = Sampling(10, WIDTH, LATENESS)
        Traffic(seconds, 150).admitted(sampling, [500])
        sizes.append(len(json.encode(sampling.snapshot())))
    assert sizes[1] < 1.2 * sizes[0]


def test_it_tells_how_many_each_slice_was_offered() -> None:
    traffic = Traffic(60, 100)
    sampling = Sampling(20, WIDTH, LATENESS)
    traffic.admitted(sampling)
    inside = traffic.groups[(traffic.times >= 40) & (traffic.times < 50)]
    assert sampling.offered_in(40.0).tolist() == np.bincount(inside[inside >= 0]).tolist()
    assert sampling.offered_in(990.0).tolist() == []
    assert 0.2 < sampling.share < 1


def test_no_events_change_nothing() -> None:
    sampling = Sampling(20, WIDTH, LATENESS)
    before = sampling.snapshot()
    assert sampling.admit([], np.zeros(0), np.zeros((0, 3), np.int32)).shape == (0, 3)
    assert sampling.snapshot() == before == convert(to_builtins(before), SamplingState)


@pytest.mark.parametrize(("budget", "width", "lateness"), [(0, 10, 0), (-1, 10, 0), (5, 0, 0), (5, 10, -1)])
def test_a_budget_that_cannot_be_kept_is_refused(budget: float, width: float, lateness: float) -> None:
    with pytest.raises(ValueError, match=f"{budget} events a second.*{width} seconds.*{lateness}"):
        Sampling(budget, width, lateness)
