"""The detectors by name.

Defaults: `beta_binomial` for rates, `clipped_gaussian` for positive quantities and scores, `multinomial` for
categories, `hotelling` for vectors.
"""

from __future__ import annotations

from undertow.drift.detectors.adwin import Adwin
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.clipped_gaussian import ClippedGaussian
from undertow.drift.detectors.hotelling import Hotelling
from undertow.drift.detectors.kswin import Kswin
from undertow.drift.detectors.multinomial import Multinomial
from undertow.drift.detectors.page_hinkley import PageHinkley

__all__ = ["DETECTORS"]

DETECTORS = {
    detector.name: detector
    for detector in (BetaBinomial, ClippedGaussian, Multinomial, Hotelling, Adwin, PageHinkley, Kswin)
}
