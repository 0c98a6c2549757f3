"""The detectors by name; `beta_binomial` is the default for rates, `clipped_gaussian` for positive quantities."""

from __future__ import annotations

from undertow.drift.detectors.adwin import Adwin
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.clipped_gaussian import ClippedGaussian
from undertow.drift.detectors.kswin import Kswin
from undertow.drift.detectors.page_hinkley import PageHinkley

__all__ = ["DETECTORS"]

DETECTORS = {detector.name: detector for detector in (BetaBinomial, ClippedGaussian, Adwin, PageHinkley, Kswin)}
