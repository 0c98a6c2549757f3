"""What may run a role, and what is said when it is not there."""

import sys
from typing import get_args, get_type_hints

import pytest

from undertow.pipelines.kafka.errors import RunnerMissingError
from undertow.pipelines.kafka.runners import RUNNERS, runner_of
from undertow.pipelines.settings import Kafka


def test_the_settings_offer_every_runner() -> None:
    assert set(get_args(get_type_hints(Kafka)["runner"])) == set(RUNNERS)


@pytest.mark.parametrize("name", RUNNERS)
def test_every_runner_is_found(name: str) -> None:
    assert callable(runner_of(name).run)


def test_without_its_library_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "undertow.pipelines.kafka.faust_detect", raising=False)
    monkeypatch.setitem(sys.modules, "faust", None)
    with pytest.raises(RunnerMissingError, match=r"the runner faust needs faust, .* pip install 'undertow\[faust\]'$"):
        runner_of("faust")
