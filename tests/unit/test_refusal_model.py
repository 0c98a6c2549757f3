import hashlib
import math
import random
import tracemalloc
from importlib.resources import files

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.drift.refusal_model import Answer, RefusalModel, RefusalWeights, pack, phrases_in, shipped, unpack
from undertow.drift.refusal_ngrams import BUCKETS, HEAD, OPENING, TAIL, excerpt, hashed
from undertow.drift.refusal_phrases import PHRASES, matcher, signature

GOLDEN = [0, 10172, 19247, 29807, 31917, 35539, 36093, 36567, 42017, 47233, 56827]
TEXTS = [
    "I'm sorry, but I can't help with that.",
    "",
    "Sure, here it is:\n" + "step " * 400,
    "抱歉，我无法提供帮助。",
    "\ud800 I can't",
    "I cannot give advice. However, here are some tips:\n" + "- rest\n" * 300,
]


def weights(**changes: object) -> RefusalWeights:
    nothing = pack(np.zeros(BUCKETS, np.int8))
    blank = RefusalWeights(
        version=1,
        phrases=signature(),
        bias=(-1, 0),
        phrase_weights=([0] * len(PHRASES), [0] * len(PHRASES)),
        ngram_weights=(nothing, nothing),
        scale=(1.0, 1.0),
    )
    return msgspec.structs.replace(blank, **changes)


def buckets_of(text: str) -> list[int]:
    [(buckets, _)] = hashed([(text, "")])
    return list(buckets.tolist())


def test_a_text_has_the_same_ngrams_alone_and_among_others() -> None:
    rng = random.Random(1)
    texts = [rng.choice(TEXTS) + " ".join(rng.choices("abc de 12 ß 漢字", k=rng.randrange(60))) for _ in range(700)]
    together: list[list[int]] = []
    chunks = list(hashed([excerpt(text) for text in texts]))
    for buckets, begins in chunks:
        together += [part.tolist() for part in np.split(buckets, begins[1:])]
    assert len(chunks) > 1, "fewer texts than a chunk prove nothing"
    assert together == [next(hashed([excerpt(text)]))[0].tolist() for text in texts]


def test_hashes_are_the_same_on_every_machine() -> None:
    """Shipped weights belong to these numbers: a change of the hash wants a new training."""
    assert buckets_of("I can't") == GOLDEN


def test_case_punctuation_and_repeats_make_no_difference_but_order_does() -> None:
    assert buckets_of("Can't do it") == buckets_of("  can’t, DO: it!")
    assert buckets_of("no no no no") == buckets_of("no no no")
    assert buckets_of("help me") != buckets_of("me help")


def test_the_words_of_the_opening_count_apart_from_the_same_words_later_on() -> None:
    filler = " ".join(f"w{number}" for number in range(OPENING))
    early, late = set(buckets_of(f"please {filler}")), set(buckets_of(f"{filler} please"))
    word = set(buckets_of("please"))
    assert word <= early
    assert len(word & late) == 2, "the word by itself, and the bucket of none"


def test_scripts_without_spaces_are_read_by_the_character() -> None:
    shared = set(buckets_of("我无法回答")) & set(buckets_of("这个我无法说"))
    assert len(shared) >= 7, "three characters in common are three words, two pairs and a triple, and none"


def test_the_excerpt_is_head_and_tail_and_bounded() -> None:
    text = " " + "a" * HEAD + "b" * 900 + "c" * TAIL + "\n"
    assert excerpt(text) == ("a" * HEAD, "c" * TAIL)
    assert excerpt("x" * 10_000_000) == ("x" * HEAD, "x" * TAIL)
    assert excerpt("a" * HEAD + "b" * 10) == ("a" * HEAD, "b" * 10)
    assert excerpt(" \n ") == ("", "")


def test_judging_a_text_of_ten_megabytes_takes_no_more_memory_than_a_short_one() -> None:
    long = ["I can't help with that. " + "é" * 10_000_000]
    shipped().judge(["warm"])
    tracemalloc.start()
    try:
        answers = shipped().judge(long)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(answers) == 1


def test_no_texts_give_no_judgements() -> None:
    assert shipped().judge([]) == []
    assert shipped().probabilities([]).shape == (0,)


@given(st.lists(st.text(max_size=900), max_size=5))
def test_any_text_is_judged_the_same_in_any_company(texts: list[str]) -> None:
    model = shipped()
    alone = [model.judge([text])[0] for text in texts]
    assert model.judge(texts) == alone
    assert model.judge(texts[::-1]) == alone[::-1]


@pytest.mark.parametrize(
    "text",
    ["\ud800", "\udfff I can't help", "\x00\x01\x02" * 500, "İ" * 3000, "i " * 50_000, "'" * 9000, "\U0010ffff" * 700],
)
def test_hostile_characters_are_judged_without_an_error(text: str) -> None:
    (probability,) = shipped().probabilities([text])
    assert 0.0 < probability < 1.0


def test_the_probability_agrees_with_the_judgement_and_grows_with_the_evidence() -> None:
    sure, polite, answer = shipped().probabilities(
        ["I'm sorry, but I can't assist with that request.", "That is a matter I would leave to others.", "It is 42."]
    )
    assert sure > 0.95 > polite > answer
    assert answer < 0.5
    judged = shipped().judge(TEXTS)
    assert [answer is not Answer.COMPLIANCE for answer in judged] == (shipped().probabilities(TEXTS) > 0.5).tolist()


def test_sums_are_bias_plus_each_bucket_once_plus_each_phrase() -> None:
    table = np.zeros(BUCKETS, np.int8)
    table[buckets_of("please wait")[1:]] = 1
    model = RefusalModel(weights(bias=(-7, 0), ngram_weights=(pack(table), pack(-table))))
    assert model.judge(["please wait"]) == [Answer.PARTIAL], "two words are ten n-grams: more than the bias of -7"
    assert model.judge(["please"]) == [Answer.COMPLIANCE], "one is five"
    heavy = RefusalModel(weights(bias=(-4, 0), phrase_weights=([5] * len(PHRASES), [1] * len(PHRASES))))
    assert heavy.judge(["I can't help.", "please wait"]) == [Answer.REFUSAL, Answer.COMPLIANCE]
    assert math.isclose(model.probabilities(["unknown"])[0], 1 / (1 + math.exp(7)))


def test_weights_of_other_phrases_or_of_another_size_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"belong to the phrases 0000.*python -m tests.train.refusal"):
        RefusalModel(weights(phrases="0000"))
    short = pack(np.zeros(7, np.int8))
    with pytest.raises(ValueError, match="for 7 buckets, needed are 65536"):
        RefusalModel(weights(ngram_weights=(short, short)))


def test_weights_survive_packing() -> None:
    table = np.arange(BUCKETS).astype(np.int8)
    assert (unpack(pack(table)) == table).all()


def test_the_shipped_model_is_read_once_and_has_a_weight_for_each_phrase() -> None:
    assert shipped() is shipped()
    assert shipped().version >= 1


def test_the_note_beside_the_model_tells_its_checksum() -> None:
    folder = files("undertow.drift") / "models"
    checksum = hashlib.sha256((folder / "refusal.json").read_bytes()).hexdigest()
    assert (folder / "refusal.txt").read_text().endswith(f"\n{checksum}  refusal.json\n")


def test_every_phrase_compiles_and_each_is_found_by_number() -> None:
    patterns = matcher()
    assert 0 in patterns.Match(b"Well, I really can't help you with this")
    assert not patterns.Match(b"The cat sat on the mat.")
    found = phrases_in(["Sorry, but I can't help.", "The cat sat on the mat."])
    assert found.shape == (2, len(PHRASES))
    assert found[0].any()
    assert not found[1].any()
