"""The detectors by name.

Defaults: `beta_binomial` for rates, `rank_betting` for positive quantities, `bounded_betting` for scores, `multinomial`
for categories, `hotelling` for vectors.
"""

from __future__ import annotations

from undertow.drift.detectors.adwin import Adwin
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.bounded_betting import BoundedBetting
from undertow.drift.detectors.clipped_gaussian import ClippedGaussian
from undertow.drift.detectors.hotelling import Hotelling
from undertow.drift.detectors.kswin import Kswin
from undertow.drift.detectors.multinomial import Multinomial
from undertow.drift.detectors.page_hinkley import PageHinkley
from undertow.drift.detectors.rank_betting import RankBetting

__all__ = ["DETECTORS"]

DETECTORS = {
    detector.name: detector
    for detector in (
        BetaBinomial,
        ClippedGaussian,
        RankBetting,
        BoundedBetting,
        Multinomial,
        Hotelling,
        Adwin,
        PageHinkley,
        Kswin,
    )
}
