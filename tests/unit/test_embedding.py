"""The static model: sums that are exact, texts of any kind, and topics told apart; the files that ship."""

import gzip
import hashlib
import json
import random
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.embedding import DIMENSIONS, LONGEST_TEXT, StaticEmbedder
from undertow.pipelines.embedders import fast_tokenizer, static

MODELS = files("undertow.drift") / "models"
READABLE = json.loads((MODELS / "static-256.readable.json").read_text())
TOKENS = 29_525
NOTE = "static-256.txt"
WORDS = ["the", "invoice", "is", "overdue", "please", "pay", "it", "or", "call", "our", "billing", "team", "today"]


# -- static -----------------------------------------------------------------------------------------------------------


@given(st.permutations(WORDS))
def test_sums_are_exact_so_the_order_of_words_does_not_change_a_bit(words: list[str]) -> None:
    one, other = static().embed([" ".join(WORDS), " ".join(words)])
    assert one.tobytes() == other.tobytes()


def test_a_repeated_text_points_the_same_way() -> None:
    once, often = static().embed(["late parcel ", "late parcel " * 100])
    np.testing.assert_allclose(once, often, atol=1e-6)


def test_words_that_the_vocabulary_cannot_say_change_nothing() -> None:
    plain, glued, alone = static().embed(["well done", "well done🎉", "well 🎉🎉 done"])
    assert plain.tobytes() == glued.tobytes() == alone.tobytes()


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "\x7f", "\ud800", "\U000e0fff", "🎉", "[UNK]", "[PAD][PAD]"])
def test_a_text_without_a_known_word_has_no_vector(text: str) -> None:
    assert not static().embed([text]).any()


def test_only_the_first_characters_are_read() -> None:
    text = "refund " * (LONGEST_TEXT // 7 + 1)
    one, other = static().embed([text[:LONGEST_TEXT], text[:LONGEST_TEXT] + "something else entirely " * 400_000])
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("text", "read"), [("a\x7fb", "a b"), ("a\ud800b", "a b"), ("é\U0001f389", "é "), ("né’", "né’")]
)
def test_what_tokenizers_disagree_on_is_read_as_a_space(text: str, read: str) -> None:
    assert static().cleaned(text) == read


def test_a_table_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"float64 \(3, 256\).*int8"):
        StaticEmbedder("x", np.zeros((3, 256)), lambda texts: (np.zeros(0), np.zeros(0)), [(0, 9)])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"int8 \(3, 255\)"):
        StaticEmbedder("x", np.zeros((3, 255), np.int8), lambda texts: (np.zeros(0), np.zeros(0)), [(0, 9)])


# -- tokens -----------------------------------------------------------------------------------------------------------


def made_up_texts(count: int) -> list[str]:
    """Texts of all readable characters, those of a few scripts more often; the same in every Python."""
    rng = random.Random(11)
    pools = [range(32, 127), range(0x80, 0x250), range(0x300, 0x370), range(0x370, 0x500), range(0x2000, 0x2100)]
    pools += [range(first, last + 1) for first, last in READABLE]

    def below(limit: int) -> int:
        return int(rng.random() * limit)

    def character(pool: range) -> str:
        return chr(pool[below(len(pool))])

    def text() -> str:
        chosen = [pools[below(len(pools) if rng.random() < 0.3 else 5)] for _ in range(3)]
        return "".join(character(chosen[below(3)]) for _ in range(1 + below(40)))

    return [text() for _ in range(count)]


def test_the_fast_tokenizer_gives_the_numbers_of_the_reference() -> None:
    """The digest is that of the package `tokenizers`; where it is installed the two are compared themselves."""
    texts = [static().cleaned(text) for text in made_up_texts(4000)]
    ids, lengths = fast_tokenizer(MODELS / "static-256.tokenizer.json", TOKENS)(texts)
    digest = xxhash.xxh3_64_hexdigest(np.concatenate([ids, lengths]).astype("<u4").tobytes())
    assert (len(ids), digest) == (23_627, "554472e6a00c3b17")


# -- the files that ship ----------------------------------------------------------------------------------------------


def test_the_note_beside_the_model_tells_its_checksums_and_licence() -> None:
    note = (MODELS / NOTE).read_text()
    told = dict(line.split("  ")[::-1] for line in note.partition("sha256\n------\n")[2].splitlines())
    shipped = [file for file in MODELS.iterdir() if file.name.startswith("static-256.") and file.name != NOTE]
    assert told == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in shipped}
    assert "Apache License 2.0" in note
    assert "all-MiniLM-L6-v2" in note


def test_the_table_has_a_row_for_each_token_and_is_small() -> None:
    table = np.load(str(MODELS / "static-256.npy"))
    assert table.shape == (TOKENS, DIMENSIONS)
    assert table.nbytes < 8_000_000
    assert not table[:2].any(), "padding and the unknown token stand for nothing"
    assert table[2:].any(axis=1).mean() > 0.99


def test_queries_are_nearest_to_queries_of_their_kind(shared_data: Path) -> None:
    """Of 2,250 queries in 75 intents the model that this one is made from labels 93 %, and 99 % of the domains."""
    with gzip.open(shared_data / "clinc150" / "queries.jsonl.gz", "rt") as lines:
        queries = [json.loads(line) for line in lines]
    known = [query for query in queries if query["split"] == "train"]
    asked = [query for query in queries if query["split"] == "test"]
    nearness = static().embed([q["text"] for q in asked]) @ static().embed([q["text"] for q in known]).T
    nearest = np.argsort(-nearness, axis=1)[:, :5]
    for key, share in (("intent", 0.86), ("domain", 0.97)):
        votes = [Counter(known[i][key] for i in row).most_common(1)[0][0] for row in nearest.tolist()]
        assert np.mean([vote == query[key] for vote, query in zip(votes, asked, strict=True)]) > share
