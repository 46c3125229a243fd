"""Printed words and the audio they were heard in, in; the time of each word out, by forced alignment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pocketsphinx

from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.engines.pronounce import Lexicon
from caesura.engines.spoken import Part, Reading, spoken_parts
from caesura.errors import EngineError
from caesura.words import Word

Span = tuple[float, float]
"""Start and end of one word, in seconds from the first sample."""

UNSURE_WORDS = 2
UNSURE_S = 0.5
"""The last words of an earlier alignment, this many and this long, are aligned again: what follows may move them."""

MARGIN_S = 0.05
"""So much audio before the end of the last word that is kept goes into the alignment of the rest."""

MOST_WORDS_KNOWN = 20_000
"""With more words than this the decoder is made anew, so that it does not grow for ever."""

# A search drops what is this much less likely than the best at the time. Where that leaves no way to the end
# (one interim in six, mostly cut in the middle of a word) one more search drops nothing and costs two thirds more.
_BEAM, _NO_BEAM = 1e-48, 0.0
# How many Gaussians of a mixture are looked at. With all four it takes a fifth longer, and four starts in five are
# the same; the 95th percentile of the differences is 10 ms.
_GAUSSIANS = 2

_FRAME_S = 0.01
_SHORTEST_S = 0.1
_UNSAID_LETTER_S = 0.08


class Aligner:
    """Finds words in audio with an acoustic model. One for each thread; two calls do not influence each other."""

    def __init__(self, model: Path) -> None:
        """`model`: the folder of an acoustic model (`en-us/`) with its dictionary (`cmudict-en-us.dict`) beside it.

        Raises:
            EngineError: there is no such model.
        """
        dictionary = model.parent / "cmudict-en-us.dict"
        if not model.is_dir() or not dictionary.is_file():
            raise EngineError(f"no acoustic model in {model.parent}: install it with `pip install pocketsphinx`")
        lexicon = Lexicon(dictionary)
        self._searches = (_Search(model, lexicon, _BEAM), _Search(model, lexicon, _NO_BEAM))

    @classmethod
    def bundled(cls) -> Aligner:
        """With the American English model that the `pocketsphinx` package carries."""
        return cls(Path(pocketsphinx.get_model_path("en-us/en-us")))

    def align(self, texts: Sequence[str], audio: Samples, known: Sequence[Word] = ()) -> list[Span]:
        """One span for each of `texts`, ascending, without overlap, within the audio.

        `audio`: float32 in -1..1, shape (n,), 16 kHz mono. `known`: words with times from an earlier call
        on a prefix of this audio; where they say the same as `texts`, all but the last few keep their times
        and only the rest is aligned (word starts against aligning anew: median 0, p90 10 ms, p95 50 ms; one in a
        hundred is most of a second off). What cannot be aligned is spread over the louder part of its audio.
        """
        if not texts:
            return []
        kept = _kept(texts, known)
        spans = [(word.start, word.end) for word in known[:kept]]
        # The last word that is kept leads into the rest: it is aligned again, and its new times are dropped.
        lead = min(kept, 1)
        begin = max(0.0, spans[-2][1] - MARGIN_S) if kept > 1 else 0.0
        tail = audio[round(begin * SAMPLE_RATE) :]
        found = self._search(texts[kept - lead :], tail)
        if found is None and kept:
            return self.align(texts, audio)
        found = found or spread(texts, audio)
        spans += [(begin + start, begin + end) for start, end in found[lead:]]
        return _tidied(spans, audio.size / SAMPLE_RATE)

    def _search(self, texts: Sequence[str], audio: Samples) -> list[Span] | None:
        # None where the words do not fit into the audio.
        parts = [_Part(owner, ways) for owner, text in enumerate(texts) for ways in spoken_parts(text)]
        if not parts or audio.size < _SHORTEST_S * SAMPLE_RATE:
            return None
        ways = [part.ways for part in parts]
        heard = next((found for search in self._searches if (found := search.find(ways, audio))), [])
        owners = _owners([each.word for each in heard], parts)
        if not owners:
            return None
        spans: dict[int, Span] = {}
        for owner, each in zip(owners, heard, strict=True):
            spans[owner] = (spans[owner][0] if owner in spans else each.start, each.end)
        return _filled(texts, spans, audio.size / SAMPLE_RATE)


class _Search:
    # One decoder of the acoustic model. It has neither a language model nor a dictionary: what it looks for
    # is known, and the words come to it one by one.

    def __init__(self, model: Path, lexicon: Lexicon, beam: float) -> None:
        self._model = model
        self._lexicon = lexicon
        self._beams = dict.fromkeys(("beam", "pbeam", "wbeam"), beam)
        self._known: set[str] = set()
        self._decoder = self._new_decoder()

    def find(self, parts: Sequence[Part], audio: Samples) -> list[_Heard]:
        # The spoken words of the likeliest way through `parts`; none if no way leads through.
        self._learn({word for ways in parts for way in ways for word in way})
        try:
            return self._decode(parts, audio)
        except RuntimeError:
            self._decoder = self._new_decoder()
            return []

    def _learn(self, words: set[str]) -> None:
        if len(self._known) + len(words) > MOST_WORDS_KNOWN:
            self._decoder = self._new_decoder()
        for word in sorted(words - self._known):
            for number, phones in enumerate(self._lexicon.pronunciations(word), start=1):
                self._decoder.add_word(word if number == 1 else f"{word}({number})", phones, update=False)
            self._known.add(word)

    def _decode(self, parts: Sequence[Part], audio: Samples) -> list[_Heard]:
        # The feature extraction keeps a noise estimate from call to call; this makes each call the first.
        self._decoder.reinit_feat()
        arcs, last = _arcs(parts)
        self._decoder.add_fsg("words", self._decoder.create_fsg("words", 0, last, arcs))
        self._decoder.activate_search("words")
        pcm = (np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            _Heard(
                segment.word.partition("(")[0],
                segment.start_frame * _FRAME_S,
                (segment.end_frame + 1) * _FRAME_S,
            )
            for segment in self._decoder.seg()
            if segment.word[0] not in "<[("
        ]

    def _new_decoder(self) -> pocketsphinx.Decoder:
        self._known.clear()
        return pocketsphinx.Decoder(
            hmm=str(self._model),
            lm=None,
            dict=None,
            bestpath=False,
            topn=_GAUSSIANS,
            loglevel="FATAL",
            logfn=os.devnull,
            **self._beams,
        )


@dataclass(frozen=True, slots=True)
class _Heard:
    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class _Part:
    owner: int
    ways: Part


def _arcs(parts: Iterable[Part]) -> tuple[list[tuple[int, int, float, str]], int]:
    # A chain of states with one strand between two of them for each way to say a part.
    arcs: list[tuple[int, int, float, str]] = []
    state = 0
    for ways in parts:
        inner = state + 1
        end = inner + sum(len(way) - 1 for way in ways)
        for way in ways:
            stops = [state, *range(inner, inner + len(way) - 1), end]
            arcs += [(stops[i], stops[i + 1], 1.0, word) for i, word in enumerate(way)]
            inner += len(way) - 1
        state = end
    return arcs, state


def _owners(heard: Sequence[str], parts: Sequence[_Part]) -> list[int] | None:
    # Which text each heard word belongs to. Several ways may fit for a while, so all are followed.
    reached: dict[int, list[int]] = {0: []}
    for part in parts:
        reached = {
            at + len(way): [*owners, *[part.owner] * len(way)]
            for at, owners in reached.items()
            for way in part.ways
            if _said(heard, at, way)
        }
    return reached.get(len(heard))


def _said(heard: Sequence[str], at: int, way: Reading) -> bool:
    return tuple(heard[at : at + len(way)]) == way


def _kept(texts: Sequence[str], known: Sequence[Word]) -> int:
    # How many of the first texts are as they were, and far enough from the end to stay where they are.
    same = 0
    for text, word in zip(texts, known, strict=False):
        if text != word.text and spoken_parts(text) != spoken_parts(word.text):
            break
        same += 1
    sure = min(same, len(known) - UNSURE_WORDS)
    while sure > 0 and known[sure - 1].end > known[-1].end - UNSURE_S:
        sure -= 1
    return max(0, sure)


def spread(texts: Sequence[str], audio: Samples) -> list[Span]:
    """Spans for `texts` without any model: in proportion to their letters, over the louder part of `audio`."""
    begin, end = _loud_part(audio)
    return _shared(texts, begin, end)


def _loud_part(audio: Samples) -> Span:
    frame = round(_FRAME_S * SAMPLE_RATE)
    whole = audio[: audio.size // frame * frame].reshape(-1, frame)
    if not whole.size:
        return 0.0, audio.size / SAMPLE_RATE
    level = np.sqrt(np.mean(np.square(whole), axis=1))
    loud = np.flatnonzero(level >= max(float(level.max()) * 0.1, 1e-6))
    if not loud.size:
        return 0.0, audio.size / SAMPLE_RATE
    return float(loud[0]) * _FRAME_S, float(loud[-1] + 1) * _FRAME_S


def _shared(texts: Sequence[str], begin: float, end: float) -> list[Span]:
    edges = np.concatenate(([0.0], np.cumsum([max(1, len(text)) for text in texts])))
    times = begin + (end - begin) * edges / edges[-1]
    return [(float(times[i]), float(times[i + 1])) for i in range(len(texts))]


def _filled(texts: Sequence[str], spans: dict[int, Span], length: float) -> list[Span]:
    # A text that is not said (a dash, another script) lies in the gap between its neighbours, near the first.
    filled: list[Span] = []
    at = 0
    while at < len(texts):
        if at in spans:
            filled.append(spans[at])
            at += 1
            continue
        after = next((index for index in range(at, len(texts)) if index in spans), len(texts))
        begin = filled[-1][1] if filled else 0.0
        end = spans[after][0] if after in spans else length
        longest = begin + _UNSAID_LETTER_S * sum(map(len, texts[at:after]))
        filled += _shared(texts[at:after], begin, max(begin, min(end, longest)))
        at = after
    return filled


def _tidied(spans: Iterable[Span], length: float) -> list[Span]:
    tidy: list[Span] = []
    floor = 0.0
    for start, end in spans:
        start = min(max(start, floor), length)
        floor = min(max(end, start), length)
        tidy.append((start, floor))
    return tidy
