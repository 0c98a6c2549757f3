"""The cyclic garbage collector: rare while a stream runs, and afterwards as before."""

import gc

import pytest

from undertow.pipelines.garbage import rare_collections


def test_collections_are_rare_while_it_lasts_and_what_was_there_is_left_alone() -> None:
    """Thresholds are higher inside; objects from before are frozen."""
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > 0


def test_everything_is_as_before_when_it_ends_in_an_error() -> None:
    """A test, or a program, that runs a stream inside of it keeps its own pace."""
    before = gc.get_threshold()
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
