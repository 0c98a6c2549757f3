"""The share of what is there, from the share that an imperfect classifier finds."""

from __future__ import annotations

__all__ = ["prevalence"]


def prevalence(found: float, missed: float, invented: float) -> float:
    """Return the true share behind a share that was found, within 0 and 1.

    The correction is unbiased where both errors belong to the same kind of traffic: take them from a labelled sample of
    one's own. Errors of other traffic correct a small share mostly by their own noise.

    Parameters
    ----------
    found
        Share of items that the classifier calls positive.
    missed
        Share of true positives that it calls negative.
    invented
        Share of true negatives that it calls positive.

    Raises
    ------
    ValueError
        If one of them is no share, or if both errors together are 1 or more: what was found then says nothing.

    References
    ----------
    Rogan, W. J. and Gladen, B. (1978), Estimating prevalence from the results of a screening test. American Journal of
    Epidemiology 107(1), 71-76.

    Examples
    --------
    >>> round(prevalence(0.14, missed=0.2, invented=0.05), 2)
    0.12
    """
    for name, share in (("found", found), ("missed", missed), ("invented", invented)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} is {share}, but a share lies between 0 and 1")
    informative = 1.0 - missed - invented
    if informative <= 0.0:
        raise ValueError(f"missed {missed} and invented {invented} add up to 1 or more: such a classifier says nothing")
    return min(max((found - invented) / informative, 0.0), 1.0)
