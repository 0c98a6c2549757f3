"""Embedders by their name in the configuration; what cannot be had is named with the way out."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from undertow.drift.embedding import DIMENSIONS, LONGEST_TEXT
from undertow.pipelines import embedders
from undertow.pipelines.embedders import EmbedderError, SentenceTransformers, build, fast_tokenizer, static

TOKENIZER = files("undertow.drift") / "models" / "static-256.tokenizer.json"


class FakeModel:
    """Stands in for a model of 384 dimensions; remembers what it was given."""

    given: ClassVar[list[str]] = []

    def __init__(self, model: str, local_files_only: bool) -> None:
        assert local_files_only, "no model is fetched behind the user's back"
        if model == "missing":
            raise OSError("no such model\nand much more")

    def encode(self, texts: Sequence[str], batch_size: int, **_: Any) -> Any:
        assert len(texts) == batch_size == 1, "in a batch the last digits depend on the neighbours"
        self.given.extend(texts)
        return np.full((1, 384), float(len(texts[0])), np.float32)


@pytest.fixture
def fake_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeModel, "given", [])
    package = ModuleType("sentence_transformers")
    package.__dict__["SentenceTransformer"] = FakeModel
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    torch = ModuleType("torch")
    torch.__dict__["set_num_threads"] = lambda count: FakeModel.given.append(f"{count} thread")
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_static_is_loaded_once_and_named_by_its_content() -> None:
    assert build("static") is build("static")
    assert static().name == "static-256-e060ef7f"


@pytest.mark.parametrize("source", ["event", "off"])
def test_where_nothing_is_computed_there_is_no_embedder(source: str) -> None:
    assert build(source) is None


@pytest.mark.parametrize("source", ["", "Static", "sentence-transformers", "sentence-transformers:", "openai"])
def test_an_unknown_source_is_refused_with_those_that_exist(source: str) -> None:
    with pytest.raises(EmbedderError, match=f"'{source}'; there are: static, event, off, sentence-transformers:NAME"):
        build(source)


def test_the_default_needs_no_network_and_none_of_the_extra() -> None:
    code = (
        "import sys, socket\n"
        "sys.modules.update(dict.fromkeys(['torch', 'tokenizers', 'transformers', 'sentence_transformers']))\n"
        "socket.socket.connect = None\n"
        "from undertow.pipelines.embedders import build\n"
        "print(build('static').embed(['a parcel']).shape)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "(1, 256)\n"


def test_without_tokie_the_reference_tokenizer_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokie", None)
    asked: list[int] = []
    monkeypatch.setattr(embedders, "reference_tokenizer", lambda _, tokens: asked.append(tokens))
    static.__wrapped__()
    assert asked == [29_525]


def test_without_any_tokenizer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokie", None)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(EmbedderError, match=r"'tokenizers' is not installed; pip install 'undertow\[embeddings\]'"):
        static.__wrapped__()


def test_a_vocabulary_of_another_size_than_the_table_is_refused() -> None:
    with pytest.raises(EmbedderError, match=r"static-256.tokenizer.json has 29,525 tokens, the table 7 rows"):
        fast_tokenizer(TOKENIZER, 7)


def test_without_the_extra_a_model_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbedderError, match=r"'sentence_transformers' is not installed; pip install"):
        build("sentence-transformers:all-MiniLM-L6-v2")


@pytest.mark.usefixtures("fake_package")
def test_a_model_that_cannot_be_loaded_is_named_with_the_first_line_of_the_reason() -> None:
    with pytest.raises(EmbedderError, match=r"cannot load 'missing' \(no such model\); give a folder"):
        build("sentence-transformers:missing")


@pytest.mark.usefixtures("fake_package")
def test_each_text_goes_through_the_model_alone_cut_and_without_what_says_nothing() -> None:
    embedder = build("sentence-transformers:some/model")
    assert isinstance(embedder, SentenceTransformers)
    assert embedder.name == "sentence-transformers:some/model"
    rows = embedder.embed(["a parcel", "", " \n", "\x00", "\ud800", "late\ud800 again", "x" * 9999])
    assert FakeModel.given == ["1 thread", "a parcel", "late again", "x" * LONGEST_TEXT]
    assert rows.shape == (7, DIMENSIONS)
    assert rows.any(axis=1).tolist() == [True, False, False, False, False, True, True]
    np.testing.assert_allclose(np.linalg.norm(rows[[0, 5, 6]], axis=1), 1, atol=1e-6)
