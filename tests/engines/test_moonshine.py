"""The default engine on real recordings: text, confidence and times, with and without drafts, and silence."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from caesura.engines import moonshine
from caesura.engines.base import Hypothesis, Priority, Samples, SegmentJob, Term
from caesura.engines.moonshine import INFO, MoonshineEngine, load
from caesura.engines.tokens import Vocabulary
from caesura.errors import EngineError
from tests.recordings import names, recording


@pytest.fixture(scope="module")
def engine() -> MoonshineEngine:
    return load()


def transcribe(
    engine: MoonshineEngine,
    audio: Samples,
    draft: Hypothesis | None = None,
    *,
    final: bool = True,
    terms: tuple[Term, ...] = (),
) -> Hypothesis:
    (hypothesis,) = engine.transcribe(
        [SegmentJob(audio, 0.0, Priority.FINAL if final else Priority.INTERIM, draft, terms=terms)]
    )
    return hypothesis


STRANGERS = tuple(
    map(Term, ("Abernathy", "Gloucestershire", "Kubernetes", "Mukherjee", "Nakamura", "Poughkeepsie", "Roche",
               "Willoughby", "Wittgenstein", "Zanzibar", "lisinopril", "metoprolol", "sarcoidosis"))
)  # fmt: skip
"""Names that are not spoken in the recordings."""


def plain(hypothesis: Hypothesis) -> list[str]:
    return re.findall("[a-z']+", " ".join(word.text for word in hypothesis.words).lower())


def test_version_is_the_one_of_the_package() -> None:
    assert importlib.metadata.version("moonshine-voice") == INFO.version


@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None), "empty"])
def test_missing_model_files_say_what_to_install(
    found: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py")) if found == "empty" else found
    monkeypatch.setattr(moonshine, "find_spec", lambda name: spec)
    with pytest.raises(EngineError, match=r"moonshine-voice.*pip install"):
        load()


@pytest.mark.slow
def test_recordings_are_understood(engine: MoonshineEngine) -> None:
    """At most one word in twenty of the bundled recordings is wrong."""
    wrong = total = 0
    for name in names():
        said = recording(name)
        reference = said.text.lower().split()
        hypothesis = plain(transcribe(engine, said.samples))
        wrong += len(set(reference) ^ set(hypothesis))
        total += len(reference)
    assert wrong <= total / 20 + 1


@pytest.mark.slow
def test_words_have_case_punctuation_confidence_and_times(engine: MoonshineEngine) -> None:
    audio = recording("jfk").samples
    words = transcribe(engine, audio).words
    assert " ".join(word.text for word in words).startswith("And so my fellow Americans")
    assert words[-1].text == "country."
    assert all(0.0 < word.confidence <= 1.0 for word in words)
    assert all(word.start < word.end for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))
    assert words[-1].end <= audio.size / 16_000


JFK_WORDS = {"Americans": (1.63, 2.16), "not": (3.99, 4.30), "you,": (7.15, 7.51)}
"""Where some words lie, by the loudness of the recording: its long pauses stand before them."""


@pytest.mark.slow
def test_words_have_the_times_at_which_they_are_spoken(engine: MoonshineEngine) -> None:
    """Starts and ends within 150 ms, whether written at once or verified as a draft."""
    audio = recording("jfk").samples
    alone = transcribe(engine, audio)
    for hypothesis in (alone, transcribe(engine, audio, alone, final=False)):
        spans = {word.text: (word.start, word.end) for word in hypothesis.words}
        for text, (start, end) in JFK_WORDS.items():
            assert spans[text] == pytest.approx((start, end), abs=0.15)


@pytest.mark.slow
def test_a_draft_that_breaks_off_gives_no_times_to_what_follows(engine: MoonshineEngine) -> None:
    """Only the accepted part of a draft counts: with half a draft the words have the times of a whole one."""
    audio = recording("jfk").samples
    whole = transcribe(engine, audio, final=False)
    half = Hypothesis(tokens=(*whole.tokens[: len(whole.tokens) // 2], 9_999, 9_999))
    again = transcribe(engine, audio, half, final=False)
    assert [word.text for word in again.words] == [word.text for word in whole.words]
    for one, other in zip(again.words, whole.words, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.15)


def assert_same(one: Hypothesis, other: Hypothesis) -> None:
    """The same text, with times within two frames: the last bits of a processor's sums are its own."""
    assert (one.tokens, [word.text for word in one.words]) == (other.tokens, [word.text for word in other.words])
    for word, same in zip(one.words, other.words, strict=True):
        assert (word.start, word.end) == pytest.approx((same.start, same.end), abs=0.05)
        assert word.confidence == pytest.approx(same.confidence, abs=0.03)


@pytest.mark.slow
def test_a_final_does_not_depend_on_its_draft(engine: MoonshineEngine) -> None:
    """Over pieces that grow by 0.7 s, with each one's interim as the draft of the next piece, final or not."""
    for name in names():
        audio, draft = recording(name).samples, None
        for end in (*range(11_200, audio.size, 11_200), audio.size):
            assert_same(transcribe(engine, audio[:end], draft), transcribe(engine, audio[:end]))
            draft = transcribe(engine, audio[:end], draft, final=False)


@pytest.mark.slow
def test_interims_with_drafts_are_the_interims_without(engine: MoonshineEngine) -> None:
    """But for near ties: one in ten interims or fewer."""
    same = total = 0
    for name in names():
        audio, draft = recording(name).samples, None
        for end in range(16_000, audio.size, 16_000):
            draft = transcribe(engine, audio[:end], draft, final=False)
            same += draft.tokens == transcribe(engine, audio[:end], final=False).tokens
            total += 1
    assert total > 15
    assert same / total >= 9 / 10


@pytest.mark.slow
def test_a_wrong_draft_is_corrected(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples
    alone = transcribe(engine, audio, final=False)
    other = transcribe(engine, recording("jfk").samples)
    assert plain(transcribe(engine, audio, other, final=False)) == plain(alone)
    nonsense = Hypothesis(tokens=(9_999,) * 400)
    assert plain(transcribe(engine, audio, nonsense, final=False)) == plain(alone)


@pytest.mark.slow
def test_a_draft_outside_the_vocabulary_is_not_believed(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples
    foreign = Hypothesis(tokens=(-5, 70_000, 2))
    assert transcribe(engine, audio, foreign, final=False).tokens == transcribe(engine, audio, final=False).tokens


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_audio_too_short_for_a_word_gives_no_words(engine: MoonshineEngine, samples: int) -> None:
    assert transcribe(engine, recording("jfk").samples[16_000 : 16_000 + samples]) == Hypothesis()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("level", [0.0, 0.001, 0.03, 0.3])
def test_silence_noise_hum_and_clicks_give_no_words(engine: MoonshineEngine, seconds: float, level: float) -> None:
    rng = np.random.default_rng(7)
    time = np.arange(int(seconds * 16_000)) / 16_000
    noise = rng.standard_normal(time.size)
    hum = np.sin(2 * np.pi * 50 * time) + 0.5 * np.sin(2 * np.pi * 150 * time)
    clicks = np.where(time % 0.3 < 0.005, noise, 0.0)
    for sound in (noise, hum, clicks):
        assert transcribe(engine, (level * sound).astype(np.float32)).words == ()


@pytest.mark.slow
def test_invalid_samples_count_as_silence(engine: MoonshineEngine) -> None:
    audio = recording("lv-0880").samples.copy()
    audio[100:200] = np.nan
    audio[200:300] = np.inf
    assert plain(transcribe(engine, audio))[-1] == "man"


@pytest.mark.slow
def test_thirty_seconds_are_transcribed_completely(engine: MoonshineEngine) -> None:
    audio = np.concatenate([recording(name).samples for name in ("jfk", "lv-0880", "lv-0890", "jfk")])[: 30 * 16_000]
    hypothesis = transcribe(engine, audio)
    assert len(hypothesis.words) > 50
    assert hypothesis.words[-1].end <= 30.0


@pytest.mark.slow
def test_jobs_are_answered_in_order(engine: MoonshineEngine) -> None:
    jobs = [SegmentJob(recording(name).samples, 0.0, Priority.FINAL) for name in ("LJ001-0002", "lv-0880")]
    first, second = engine.transcribe(jobs)
    assert plain(first)[-1] == "modern"
    assert plain(second)[-1] == "man"


@pytest.mark.slow
def test_words_given_as_a_prefix_are_not_written_again_and_those_after_it_have_their_times(
    engine: MoonshineEngine,
) -> None:
    audio = recording("jfk").samples
    prefix = "And so my fellow Americans ask not"
    [hypothesis] = engine.transcribe([SegmentJob(audio, 0.0, Priority.FINAL, prefix=prefix, prefix_s=4.5)])
    whole = transcribe(engine, audio)
    assert plain(hypothesis) == plain(whole)[len(prefix.split()) :]
    for word, same in zip(hypothesis.words, whole.words[len(prefix.split()) :], strict=True):
        assert word.start == pytest.approx(same.start, abs=0.1)


@pytest.mark.slow
def test_no_word_is_placed_where_the_prefix_is(engine: MoonshineEngine) -> None:
    """Even if the prefix does not fit the audio at all."""
    audio = recording("jfk").samples
    [hypothesis] = engine.transcribe([SegmentJob(audio, 0.0, Priority.FINAL, prefix="Good morning.", prefix_s=8.0)])
    assert all(word.start >= 8.0 - 0.05 for word in hypothesis.words)


@pytest.mark.slow
def test_a_draft_is_its_last_words_when_it_has_fewer_than_its_tokens_spell(engine: MoonshineEngine) -> None:
    """The first of them have become the prefix; a draft is as good as none, but takes less time."""
    audio = recording("jfk").samples
    whole = transcribe(engine, audio)
    draft = Hypothesis(whole.words[7:], whole.tokens)
    job = SegmentJob(audio, 0.0, Priority.INTERIM, draft, "And so my fellow Americans ask not", 4.5)
    [hypothesis] = engine.transcribe([job])
    assert plain(hypothesis) == plain(whole)[7:]


@pytest.mark.slow
def test_audio_that_breaks_off_in_a_word_keeps_the_words_before_it(engine: MoonshineEngine) -> None:
    """At half a word the decoder stammers if no silence follows, and the guard drops all of it."""
    audio = recording("LJ001-0002").samples[: int(1.248 * 16_000)]
    hypothesis = transcribe(engine, audio)
    assert plain(hypothesis)[:2] == ["in", "being"]
    assert hypothesis.words[-1].end <= 1.3


@pytest.mark.slow
def test_a_misrecognised_word_is_recognised_when_it_is_a_term(engine: MoonshineEngine) -> None:
    """Sure of it the engine is not: a term makes a word no surer than the decoder finds it."""
    clean = recording("lv-0880").samples
    audio = clean + np.random.default_rng(1).normal(0.0, 0.01, clean.size).astype(np.float32)
    assert "ill-disposed" not in [word.text for word in transcribe(engine, audio).words]
    hypothesis = transcribe(engine, audio, terms=(*STRANGERS, Term("ill-disposed")))
    assert plain(hypothesis) == ["he", "was", "not", "an", "ill", "disposed", "young", "man"]
    [word] = [word for word in hypothesis.words if word.text == "ill-disposed"]
    assert word.confidence < 0.7
    assert 1.0 < word.start < word.end < 2.3


@pytest.mark.slow
def test_what_the_decoder_writes_for_silence_is_withheld_and_counted(engine: MoonshineEngine) -> None:
    hypothesis = transcribe(engine, np.zeros(32_000, np.float32))
    assert (hypothesis.words, hypothesis.withheld) == ((), 1)
    assert transcribe(engine, recording("jfk").samples).withheld == 0


@pytest.mark.slow
def test_terms_that_are_not_spoken_change_nothing(engine: MoonshineEngine) -> None:
    for name in names():
        audio = recording(name).samples
        assert transcribe(engine, audio, terms=STRANGERS) == transcribe(engine, audio)


@pytest.mark.slow
def test_terms_are_not_found_in_silence_and_noise(engine: MoonshineEngine) -> None:
    noise = np.random.default_rng(7).standard_normal(32_000)
    for level in (0.0, 0.001, 0.03, 0.3):
        heavy = tuple(Term(term.text, 100.0) for term in (*STRANGERS, Term("you"), Term("thank you")))
        assert transcribe(engine, (level * noise).astype(np.float32), terms=heavy).words == ()


@pytest.mark.slow
def test_a_term_to_avoid_gives_way_to_another_word(engine: MoonshineEngine) -> None:
    audio = recording("LJ001-0002").samples
    assert plain(transcribe(engine, audio)) == ["in", "being", "comparatively", "modern"]
    avoiding = plain(transcribe(engine, audio, terms=(Term("modern", -1.0),)))
    assert avoiding[:3] == ["in", "being", "comparatively"]
    assert "modern" not in avoiding


@pytest.mark.slow
def test_a_final_with_terms_does_not_depend_on_its_draft(engine: MoonshineEngine) -> None:
    terms = (Term("ill-disposed"), Term("man", -2.0))
    audio, draft, bare = recording("lv-0880").samples, None, None
    for end in range(11_200, audio.size, 11_200):
        draft = transcribe(engine, audio[:end], draft, final=False, terms=terms)
        bare = transcribe(engine, audio[:end], bare, final=False)
        assert draft.tokens == bare.tokens
    assert_same(transcribe(engine, audio, draft, terms=terms), transcribe(engine, audio, terms=terms))


@pytest.mark.slow
def test_the_vocabulary_writes_words_as_the_decoder_does(engine: MoonshineEngine) -> None:
    """It shows in the tokens of the hypotheses, for words that are in the recordings."""
    package = find_spec("moonshine_voice")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "assets" / "tiny-en" / "tokenizer.bin"
    vocabulary = Vocabulary.parse(file.read_bytes())
    for name in names():
        tokens = transcribe(engine, recording(name).samples).tokens
        assert vocabulary.encode(vocabulary.text(tokens)) == tokens
