"""The rows of closed windows are what their values say."""

import numpy as np
import pytest

from undertow.drift.catalogue import Catalogue
from undertow.drift.segments import Group
from undertow.drift.windows import Windows
from undertow.pipelines.window_rows import window_columns

NUMBER = Catalogue().columns


def test_counts_means_and_quantiles_agree_with_the_values() -> None:
    rng = np.random.default_rng(1)
    values = np.full((500, len(NUMBER)), np.nan)
    values[:, NUMBER["refusal_rate"]] = rng.random(500) < 0.1
    values[:, NUMBER["latency"]] = rng.lognormal(0, 1, 500)
    windows = Windows(Catalogue(), 10, 0)
    times = np.linspace(0, 9.9, 500)
    windows.advance(times)
    windows.add(times, np.zeros((500, 1), np.int32), values)
    columns = window_columns(windows.close(everything=True), [Group("s", "prod", (("region", "eu"),))], Catalogue())
    rows = dict(zip(columns["metric"], range(2), strict=True))
    rate, latency = rows["refusal_rate"], rows["latency"]
    assert columns["family"][rate], columns["family"][latency] == ("rate", "positive")
    assert (columns["events"][rate], columns["hits"][rate]) == (500, values[:, NUMBER["refusal_rate"]].sum())
    logs = np.log(values[:, NUMBER["latency"]])
    assert columns["log_mean"][latency] == pytest.approx(logs.mean(), abs=0.01)
    assert columns["p50"][latency] == pytest.approx(np.quantile(values[:, NUMBER["latency"]], 0.5), rel=0.03)
    assert columns["p99"][latency] == pytest.approx(np.quantile(values[:, NUMBER["latency"]], 0.99), rel=0.1)
    assert np.isnan([columns["hits"][latency], columns["p50"][rate]]).all()
    assert columns["segment"] == [{"region": "eu"}] * 2


def test_no_windows_have_no_columns() -> None:
    assert window_columns([], [], Catalogue()) == {}
