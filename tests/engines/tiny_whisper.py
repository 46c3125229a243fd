"""Makes tiny Whisper models in CTranslate2's format: random ones, and ones that output a given script.

Nothing is downloaded. The layout of the weights comes from CTranslate2's own description of Whisper; the vocabulary
has the size and the special tokens of the real one, because from these the libraries tell what a model can do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from ctranslate2.specs import WhisperSpec  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers

from caesura.engines.models.catalogue import WHISPER_CODES

WIDTH = 64
HEADS = 2
MELS = 80
FRAMES = 1500
POSITIONS = 448
TEXT_TOKENS = 50_256
"""As many as Whisper's. Where it knows other languages than English there is an empty one, too: by that CTranslate2
tells the two apart."""

PIECES = (" Hello", " there", ",", " world", ".", " Thank", " you", " Caesura", " no", "こ", "ん", "に", "ち", "は")
"""What a scripted model can say, besides single bytes and the w0, w1, ... that fill up the vocabulary."""

CERTAIN = 0.5
"""How far a piece stands out for the model to be certain of it."""


@dataclass(frozen=True)
class Script:
    """The output of a scripted model, whatever the audio."""

    pieces: Sequence[str]
    ends: bool = True
    """Otherwise it says the last piece for ever."""
    language: str = "de"
    sure: float = CERTAIN
    no_speech: float = 0.0
    """Logit of the token for silence; that of the language has `sure_of_language`."""
    sure_of_language: float = CERTAIN
    multilingual: bool = True
    terms: int = 0
    """How many tokens come before the usual prompt."""


def make(folder: Path, script: Script | None = None, *, seed: int = 7) -> Path:
    """A model in `folder`: one that plays `script`, or random weights without one. Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary(multilingual=script is None or script.multilingual)
    rng = np.random.default_rng(seed)
    spec = WhisperSpec(1, HEADS, 1, HEADS)
    _fill(spec, rng, len(tokens))
    if script is not None:
        _teach(spec, rng, script, tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.index("Ġ"), tokens.index("<|endoftext|>")]
    spec.config.alignment_heads = [[0, 0], [0, 1]]
    spec.config.lang_ids = [tokens.index(f"<|{code}|>") for code in WHISPER_CODES if code != "yue"]
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    _tokenizer(tokens).save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


def vocabulary(*, multilingual: bool) -> list[str]:
    """As many tokens as Whisper has, the special ones in its order."""
    known = list(dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *map(_in_bytes, PIECES)]))
    languages = [f"<|{code}|>" for code in WHISPER_CODES if code != "yue"]
    return [
        *known,
        *(f"Ġw{number}" for number in range(TEXT_TOKENS - len(known))),
        *([""] if multilingual else []),
        *("<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>"),
        *("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
        *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]


def _in_bytes(text: str) -> str:
    # The alphabet in which byte-level vocabularies are written.
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return str(splitter.pre_tokenize_str(text)[0][0])


def _tokenizer(tokens: Sequence[str]) -> tokenizers.Tokenizer:
    words = {token: number for number, token in enumerate(tokens) if not token.startswith("<|")}
    made = tokenizers.Tokenizer(models.BPE(vocab=words, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([token for token in tokens if token.startswith("<|")])
    return made


def _fill(spec: Any, rng: np.random.Generator, words: int) -> None:
    def weights(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * 0.1).astype(np.float32)

    def linear(layer: Any, out: int, into: int) -> None:
        layer.weight, layer.bias = weights(out, into), weights(out)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def attention(layer: Any) -> None:
        norm(layer.layer_norm)
        sizes = {2: (3 * WIDTH, WIDTH), 3: (WIDTH, 2 * WIDTH, WIDTH)}[len(layer.linear)]
        for part, size in zip(layer.linear, sizes, strict=True):
            linear(part, size, WIDTH)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 2 * WIDTH, WIDTH)
        linear(layer.linear_1, WIDTH, 2 * WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = weights(WIDTH, MELS, 3), weights(WIDTH)
    encoder.conv2.weight, encoder.conv2.bias = weights(WIDTH, WIDTH, 3), weights(WIDTH)
    encoder.position_encodings.encodings = weights(FRAMES, WIDTH)
    decoder.position_encodings.encodings = weights(POSITIONS, WIDTH)
    decoder.embeddings.weight = weights(words, WIDTH)
    decoder.projection.weight = weights(words, WIDTH)
    for half in (encoder, decoder):
        norm(half.layer_norm)
        for layer in half.layer:
            attention(layer.self_attention)
            feed_forward(layer.ffn)
    attention(decoder.layer[0].attention)


def _teach(spec: Any, rng: np.random.Generator, script: Script, tokens: Sequence[str]) -> None:
    # The layers are made to say nothing, so that what is written depends on the position alone: each position has a
    # direction of its own, and the piece that belongs there lies in that direction.
    decoder = spec.decoder
    for part in (
        decoder.layer[0].self_attention.linear[-1],
        decoder.layer[0].attention.linear[-1],
        decoder.layer[0].ffn.linear_1,
    ):
        part.weight, part.bias = np.zeros_like(part.weight), np.zeros_like(part.bias)
    start = script.terms
    first = start + (3 if script.multilingual else 1)
    said = [*map(_in_bytes, script.pieces), *(["<|endoftext|>"] if script.ends else [])]
    directions = rng.standard_normal((POSITIONS, WIDTH)).astype(np.float32)
    directions -= directions.mean(axis=1, keepdims=True)
    directions[first + len(said) :] = directions[first + len(said) - 1]
    decoder.position_encodings.encodings = directions * np.float32(100)
    numbers = {token: number for number, token in enumerate(tokens)}
    projection = rng.standard_normal((len(tokens), WIDTH)).astype(np.float32) * np.float32(0.001)
    for at, piece in enumerate(said, first):
        projection[numbers[piece]] += np.float32(CERTAIN if piece == "<|endoftext|>" else script.sure) * directions[at]
    projection[numbers[f"<|{script.language}|>"]] += np.float32(script.sure_of_language) * directions[start]
    projection[numbers["<|nospeech|>"]] += np.float32(script.no_speech) * directions[start]
    decoder.projection.weight = projection
