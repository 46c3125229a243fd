"""Synthetic speech for tests: encodes words as runs of equal samples, and decodes them, exactly to the sample."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from caesura.errors import UsageError
from caesura.words import Word

SAMPLE_BYTES = 2
CONFIDENCE = 0.99
_FIRST = 1000
_MOST = 32_767 - _FIRST


class Voice:
    """Synthetic speech whose words can be decoded from its samples, wherever a stream of it begins.

    Audio is mono linear16. Word `i` of the vocabulary is a run of samples of the value 1000 + `i`; every other value
    is silence. The same word twice makes two runs, because of the gap between them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """`words` is the vocabulary. Raises UsageError if a word is in it twice, or if there are more than 31767."""
        if len(set(words)) != len(words) or len(words) > _MOST:
            raise UsageError(
                f"words: {len(words)} given, {len(set(words))} of them different; give up to {_MOST}, each once"
            )
        self._samples = {word: (_FIRST + index).to_bytes(SAMPLE_BYTES, "little") for index, word in enumerate(words)}
        self._words = {sample: word for word, sample in self._samples.items()}

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary."""
        return tuple(self._samples)

    def say(self, *words: str, sample_rate: int = 16_000, word_s: float = 0.3, gap_s: float = 0.1) -> bytes:
        """Make audio of `words`, each `word_s` long and followed by `gap_s` of silence, rounded to samples.

        Raises UsageError for a word that is not in the vocabulary.
        """
        gap = self.silence(gap_s, sample_rate=sample_rate)
        return b"".join(self._sample(word) * round(word_s * sample_rate) + gap for word in words)

    def silence(self, seconds: float, *, sample_rate: int = 16_000) -> bytes:
        """Make audio without words; its length is rounded to samples."""
        return bytes(SAMPLE_BYTES * round(seconds * sample_rate))

    def hear(self, audio: bytes, *, sample_rate: int = 16_000) -> tuple[Word, ...]:
        """Decode the words in `audio`, including those whose beginning or end is cut off."""
        words = []
        at = 0
        for word, samples in self.runs(audio):
            if word is not None:
                words.append(Word(word, at / sample_rate, (at + samples) / sample_rate, CONFIDENCE))
            at += samples
        return tuple(words)

    def runs(self, audio: bytes) -> Iterator[tuple[str | None, int]]:
        """Runs of the same word (None for silence) and their lengths in samples; an odd byte at the end is ignored."""
        at = 0
        while at + 1 < len(audio):
            samples = _equal_samples(audio, at)
            yield self._words.get(audio[at : at + SAMPLE_BYTES]), samples
            at += samples * SAMPLE_BYTES

    def _sample(self, word: str) -> bytes:
        try:
            return self._samples[word]
        except KeyError:
            raise UsageError(f"'{word}' is not in this voice's vocabulary: {', '.join(self._samples)}") from None


def _equal_samples(audio: bytes, at: int) -> int:
    """Number of equal samples from byte `at` on, found by doubling the compared length and then bisecting."""
    sample = audio[at : at + SAMPLE_BYTES]
    most = (len(audio) - at) // SAMPLE_BYTES

    def differ(samples: int) -> bool:
        return audio[at : at + samples * SAMPLE_BYTES] != sample * samples

    equal, tried = 1, 2
    while tried < most and not differ(tried):
        equal, tried = tried, 2 * tried
    return bisect_left(range(most + 1), True, equal + 1, min(tried, most) + 1, key=differ) - 1
