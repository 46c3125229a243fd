"""Scoring of diarization: error rate by time, errors by word, and how well a confidence is calibrated.

The diarization error rate (DER) is that of NIST's `md-eval` and of `pyannote.metrics`: missed speech, false alarms and
confused speakers, in seconds, divided by the seconds of reference speech, where two people who speak at once count
twice. Reference and found speakers are matched one to one so that they agree for as long as possible within the scored
time. A collar leaves out so many seconds before and after each start and end of a reference turn.

A word belongs to one speaker, so a system that assigns speakers to words misses the second speaker of all overlaps.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from scoring import Counts, WordErrors, aligned, normalize, percent, word_errors

BRIDGED_S = 0.5
"""Words of one speaker with no longer pause between them are one turn."""
BINS = 10

R = TypeVar("R", bound=Hashable)
F = TypeVar("F", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a speaker of the reference; times in seconds."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word as the server returned it, with its speaker number; `confidence` is that of the speaker."""

    text: str
    start: float
    end: float
    speaker: int
    confidence: float | None = None

    @property
    def middle(self) -> float:
        """The second by which the word is assigned to a turn of the reference."""
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class DiarizationErrors(Counts):
    """Seconds of reference speech, and of the three kinds of errors in it."""

    speech_s: float = 0.0
    missed_s: float = 0.0
    false_alarm_s: float = 0.0
    confused_s: float = 0.0

    @property
    def percent(self) -> float:
        """The diarization error rate; nan without reference speech."""
        return self.share(self.missed_s + self.false_alarm_s + self.confused_s)

    def share(self, seconds: float) -> float:
        """So many seconds in percent of the reference speech."""
        return percent(seconds, self.speech_s)


def best_assignment(gains: Mapping[tuple[R, F], float]) -> dict[R, F]:
    """Match references and findings one to one, so that the sum of the gains of all pairs is largest.

    Exact, in time that doubles with each reference; pairs that are not listed, or gain nothing, are not matched.
    """
    references = list(dict.fromkeys(reference for reference, _ in gains))
    best: dict[int, tuple[float, tuple[tuple[R, F], ...]]] = {0: (0.0, ())}
    for found in dict.fromkeys(found for _, found in gains):
        extended = dict(best)
        for used, (gain, pairs) in best.items():
            for index, reference in enumerate(references):
                total = gain + gains.get((reference, found), 0.0)
                taken = used | 1 << index
                if taken != used and total > gain and total > extended.get(taken, (0.0, ()))[0]:
                    extended[taken] = (total, (*pairs, (reference, found)))
        best = extended
    return dict(max(best.values(), key=lambda each: each[0])[1])


# ---- by time ----


def turns_of_words(words: Iterable[FoundWord]) -> list[Turn]:
    """The turns of the speakers found: their words, with pauses of up to `BRIDGED_S` between two of them bridged."""
    last: dict[int, Turn] = {}
    turns: list[Turn] = []
    for word in sorted(words, key=lambda word: word.start):
        before = last.get(word.speaker)
        if before is not None and word.start - before.end <= BRIDGED_S:
            turns.remove(before)
            word_turn = Turn(before.speaker, before.start, max(before.end, word.end))
        else:
            word_turn = Turn(str(word.speaker), word.start, word.end)
        last[word.speaker] = word_turn
        turns.append(word_turn)
    return turns


def diarization_errors(
    reference: Sequence[Turn], found: Sequence[Turn], *, collar_s: float = 0.0, overlap: bool = True
) -> DiarizationErrors:
    """Compare turns by time; `overlap=False` leaves out where several people of the reference speak."""
    pieces = [
        (length, people, speakers)
        for length, people, speakers in _pieces(reference, found, collar_s)
        if overlap or len(people) <= 1
    ]
    together: dict[tuple[str, str], float] = {}
    for length, people, speakers in pieces:
        for pair in ((person, speaker) for person in people for speaker in speakers):
            together[pair] = together.get(pair, 0.0) + length
    matched = best_assignment(together)
    errors = DiarizationErrors()
    for length, people, speakers in pieces:
        right = sum(matched.get(person) in speakers for person in people)
        errors += DiarizationErrors(
            length * len(people),
            length * max(0, len(people) - len(speakers)),
            length * max(0, len(speakers) - len(people)),
            length * (min(len(people), len(speakers)) - right),
        )
    return errors


def _pieces(
    reference: Sequence[Turn], found: Sequence[Turn], collar_s: float
) -> Iterable[tuple[float, frozenset[str], frozenset[str]]]:
    """Stretches in which nobody begins or ends, outside of the collars: length, reference speakers, found speakers."""
    joined = _joined(reference)
    edges = {edge for turn in joined for edge in (turn.start, turn.end)}
    at = {*edges, *(edge for turn in found for edge in (turn.start, turn.end))}
    at |= {edge + side * collar_s for edge in edges for side in (-1, 1)}
    for start, end in pairwise(sorted(at)):
        middle = (start + end) / 2
        if not any(abs(middle - edge) < collar_s for edge in edges):
            yield end - start, _speaking(joined, middle), _speaking(found, middle)


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with those of one speaker joined that touch or overlap, so that there is no edge between them."""
    joined: dict[str, list[Turn]] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        own = joined.setdefault(turn.speaker, [])
        if own and turn.start <= own[-1].end:
            own[-1] = Turn(turn.speaker, own[-1].start, max(own[-1].end, turn.end))
        else:
            own.append(turn)
    return [turn for own in joined.values() for turn in own]


def _speaking(turns: Collection[Turn], at: float) -> frozenset[str]:
    return frozenset(turn.speaker for turn in turns if turn.start <= at < turn.end)


# ---- by word ----


def cp_word_errors(reference: Mapping[str, str], found: Mapping[int, str], language: str = "en") -> WordErrors:
    """Word errors of concatenated texts (cpWER): all words of a speaker are one text, in the best matching of speakers.

    Args:
        reference: the text of each speaker.
        found: the text of each speaker number.
        language: of both.
    """
    silent = {person: word_errors(text, "", language) for person, text in reference.items()}
    invented = {speaker: word_errors("", text, language) for speaker, text in found.items()}
    compared = {
        (person, speaker): word_errors(text, told, language)
        for person, text in reference.items()
        for speaker, told in found.items()
    }
    gains = {
        (person, speaker): float(silent[person].total + invented[speaker].total - errors.total)
        for (person, speaker), errors in compared.items()
    }
    matched = best_assignment(gains)
    total = sum((compared[pair] for pair in matched.items()), WordErrors())
    total = sum((errors for person, errors in silent.items() if person not in matched), total)
    return sum((errors for speaker, errors in invented.items() if speaker not in matched.values()), total)


def by_turns(words: Sequence[FoundWord], turns: Sequence[Turn]) -> list[tuple[str, FoundWord]]:
    """Each word in whose middle exactly one person speaks, with that person."""
    speaking = [(_speaking(turns, word.middle), word) for word in words]
    return [(next(iter(people)), word) for people, word in speaking if len(people) == 1]


def by_text(
    words: Sequence[FoundWord], spoken: Sequence[tuple[str, str]], language: str = "en"
) -> list[tuple[str, FoundWord]]:
    """Each word that was recognized correctly, with the person who spoke it.

    `spoken` has the texts of the conversation in order, each after its speaker. The words are aligned with them; those
    that differ have no speaker in the reference and are left out.
    """
    expected = [(person, word) for person, text in spoken for word in normalize(text, language)]
    found = [(word, part) for word in words for part in normalize(word.text, language)]
    same = aligned([word for _, word in expected], [part for _, part in found])
    return [(expected[theirs][0], found[ours][0]) for theirs, ours in same]


def right_speakers(judged: Sequence[tuple[str, FoundWord]]) -> list[bool]:
    """Whether each word has the right speaker, where numbers are assigned to people in the best possible way."""
    counts: dict[tuple[str, int], float] = {}
    for person, word in judged:
        counts[person, word.speaker] = counts.get((person, word.speaker), 0.0) + 1.0
    matched = best_assignment(counts)
    return [matched.get(person) == word.speaker for person, word in judged]


# ---- confidence ----


@dataclass(frozen=True, slots=True)
class Bin:
    """Words with a confidence in `low` to `high`: how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


def reliability(judged: Sequence[tuple[float, bool]], bins: int = BINS) -> list[Bin]:
    """Compare confidences with how often they are right, in bins of equal width over 0 to 1, without empty ones."""
    sorted_in: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in judged:
        sorted_in.setdefault(min(int(confidence * bins), bins - 1), []).append((confidence, right))
    return [
        Bin(
            index / bins,
            (index + 1) / bins,
            len(inside),
            sum(confidence for confidence, _ in inside) / len(inside),
            sum(right for _, right in inside) / len(inside),
        )
        for index, inside in sorted(sorted_in.items())
    ]


def calibration_error(judged: Sequence[tuple[float, bool]], bins: int = BINS) -> float:
    """Expected calibration error: the distance of confidence and share that is right, in the mean of all words.

    It is nan if there are no words.
    """
    found = reliability(judged, bins)
    apart = sum(each.count * abs(each.confidence - each.right) for each in found)
    return apart / len(judged) if judged else float("nan")
