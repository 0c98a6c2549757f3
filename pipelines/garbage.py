"""How often the cyclic garbage collector looks at what events leave behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collections"]

_THRESHOLDS = (100_000, 20, 100)  # a batch makes many small objects that live until its block, and hardly a cycle


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect a hundredth as often as Python does by itself while this lasts, and nothing of what is there already.

    At Python's own pace the collector takes a tenth of the time of a stream: it looks again and again at objects that
    are all still needed.

    Examples
    --------
    >>> with rare_collections():
    ...     gc.get_threshold()
    (100000, 20, 100)
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
