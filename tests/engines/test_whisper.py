"""Whisper on tiny models made here: scripted words come out with times; silence, loops and known phrases do not."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura import connect
from caesura.distribution import install_command
from caesura.engines import whisper
from caesura.engines.base import Hypothesis, Priority, Samples, SegmentJob, Term
from caesura.engines.models.catalogue import find_model
from caesura.engines.models.download import pull
from caesura.engines.whisper import INFO, MAX_TERM_TOKENS, WhisperEngine, info, load, with_model_folder
from caesura.errors import EngineError, UsageError
from caesura.words import Word
from tests.engines.models.hub_server import FakeHub, serving
from tests.engines.models.without_whisper import without_library
from tests.engines.tiny_whisper import CERTAIN, Script, make, vocabulary
from tests.recordings import recording
from tests.server_process import start_server

SAYS = Callable[..., WhisperEngine]
GREETING = (" Hello", " there", ",", " world", ".")


@pytest.fixture(scope="module")
def says(tmp_path_factory: pytest.TempPathFactory) -> SAYS:
    """Loads a model that outputs a given script, once for each script."""
    made: dict[str, WhisperEngine] = {}

    def engine(*pieces: str, **script: Any) -> WhisperEngine:
        key = repr((pieces, sorted(script.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp("model") / "scripted"
            made[key] = load(str(make(folder, Script(pieces, **script))))
        return made[key]

    return engine


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    """A model with random weights, whose output is random and never ends."""
    return load(str(make(tmp_path_factory.mktemp("model") / "random")))


def noise(seconds: float, seed: int = 1) -> Samples:
    samples = np.random.default_rng(seed).standard_normal(int(seconds * 16_000)) * 0.1
    return samples.astype(np.float32)


def transcribe(engine: WhisperEngine, seconds: float = 3.0, *, final: bool = True, **job: Any) -> Hypothesis:
    (hypothesis,) = engine.transcribe(
        [SegmentJob(noise(seconds), 0.0, Priority.FINAL if final else Priority.INTERIM, **job)]
    )
    return hypothesis


def text(hypothesis: Hypothesis) -> str:
    return " ".join(word.text for word in hypothesis.words)


# ---- text, times, language ----


@pytest.mark.slow
def test_words_come_out_as_they_are_printed_with_times_and_probabilities(says: SAYS) -> None:
    hypothesis = transcribe(says(*GREETING))
    assert [word.text for word in hypothesis.words] == ["Hello", "there,", "world."]
    assert all(0.99 < word.confidence <= 1.0 for word in hypothesis.words)
    assert all(0.0 <= word.start <= word.end <= 3.0 for word in hypothesis.words)
    assert all(before.end <= after.start for before, after in pairwise(hypothesis.words))
    assert hypothesis.words[-1].end > 0.5


@pytest.mark.slow
def test_an_uncertain_word_has_a_low_confidence(says: SAYS) -> None:
    hypothesis = transcribe(says(" Hello", " world", sure=0.15))
    assert all(0.05 < word.confidence < 0.9 for word in hypothesis.words)


@pytest.mark.slow
def test_the_language_is_found_out_unless_it_is_given(says: SAYS) -> None:
    engine = says(*GREETING, language="de")
    assert transcribe(engine).language == "de"
    assert transcribe(engine, language="fr").language == "fr"


@pytest.mark.slow
def test_the_confidence_of_the_language_is_its_probability_where_it_is_detected(says: SAYS) -> None:
    sure = transcribe(says(*GREETING, language="de")).language_confidence
    assert sure is not None
    assert 0.99 < sure <= 1.0
    unsure = transcribe(says(*GREETING, language="de", sure_of_language=0.0)).language_confidence
    assert unsure is not None
    assert 0.0 < unsure < 0.9
    assert transcribe(says(*GREETING), language="fr").language_confidence is None
    assert transcribe(says(*GREETING, multilingual=False)).language_confidence is None


@pytest.mark.slow
def test_the_likeliest_of_the_languages_that_may_be_detected_is_taken_with_its_own_probability(says: SAYS) -> None:
    engine = says(*GREETING, language="de")
    free = transcribe(engine)
    assert transcribe(engine, detectable_languages=("fr", "de", "en")) == free
    among = transcribe(engine, detectable_languages=("fr", "jv"))
    assert among.language in {"fr", "jv"}
    # Not shared out among the languages that are named: the audio is in none of them.
    assert among.language_confidence is not None
    assert among.language_confidence < 0.01
    for language in ("fr", "jv"):
        alone = transcribe(engine, detectable_languages=(language,))
        assert alone.language == language
        assert alone.language_confidence is not None
        assert alone.language_confidence <= among.language_confidence
    with pytest.raises(EngineError, match="does not know the language 'xx'"):
        transcribe(engine, detectable_languages=("de", "xx"))


@pytest.mark.slow
def test_javanese_has_the_name_that_the_rest_of_the_world_gives_it(says: SAYS) -> None:
    engine = says(*GREETING, language="jw")
    assert transcribe(engine).language == "jv"
    assert text(transcribe(engine, language="jv")) == "Hello there, world."


@pytest.mark.slow
def test_scripts_without_blanks_come_as_whisper_parts_them(says: SAYS) -> None:
    assert text(transcribe(says(*"こんにちは", language="ja"))) == "こ ん に ち は"


@pytest.mark.slow
def test_an_english_model_needs_no_language_and_supports_no_other(says: SAYS) -> None:
    engine = says(*GREETING, multilingual=False)
    hypothesis = transcribe(engine)
    assert (text(hypothesis), hypothesis.language) == ("Hello there, world.", "en")
    assert transcribe(engine, language="en") == hypothesis
    with pytest.raises(EngineError, match="does not know the language 'de'"):
        transcribe(engine, language="de")


@pytest.mark.slow
def test_jobs_are_answered_in_order_and_apart(says: SAYS) -> None:
    """The engine is stateless: a job has the same hypothesis alone, in a batch and after others."""
    engine = says(*GREETING)
    jobs = [
        SegmentJob(noise(seconds), 0.0, priority)
        for seconds, priority in ((1.0, Priority.FINAL), (0.05, Priority.FINAL), (2.5, Priority.INTERIM))
    ]
    together = engine.transcribe(jobs)
    assert together == [engine.transcribe([job])[0] for job in jobs]
    assert [bool(hypothesis.words) for hypothesis in together] == [True, False, True]


@pytest.mark.slow
def test_a_draft_changes_nothing(says: SAYS) -> None:
    engine = says(*GREETING)
    plain = transcribe(engine)
    assert transcribe(engine, draft=Hypothesis((Word("Bye", 0.0, 1.0, 0.9),), (7, 8))) == plain


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.11, 0.15, 0.2, 1.0, 29.99, 30.0])
def test_any_length_up_to_the_window_is_transcribed(says: SAYS, seconds: float) -> None:
    hypothesis = transcribe(says(*GREETING), seconds)
    assert text(hypothesis) == "Hello there, world."
    assert hypothesis.words[-1].end <= seconds


@pytest.mark.slow
def test_more_than_a_window_is_refused_and_not_cut(says: SAYS) -> None:
    with pytest.raises(EngineError, match=r"was given 30\.1 s; it takes 30 s at most"):
        transcribe(says(*GREETING), 30.1)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [0, 1, 1_599])
def test_audio_too_short_for_a_word_gives_no_words(says: SAYS, samples: int) -> None:
    job = SegmentJob(np.ones(samples, np.float32), 0.0, Priority.FINAL)
    assert says(*GREETING).transcribe([job]) == [Hypothesis()]


@pytest.mark.slow
def test_broken_samples_do_no_harm(says: SAYS) -> None:
    audio = noise(1.0)
    audio[100:200] = np.nan
    audio[200:300] = np.inf
    (hypothesis,) = says(*GREETING).transcribe([SegmentJob(audio, 0.0, Priority.FINAL)])
    assert text(hypothesis) == "Hello there, world."


@pytest.mark.slow
def test_random_weights_end_in_time_and_are_not_believed(random: WhisperEngine) -> None:
    """It never stops by itself, so the limit must, and text that it does not believe is not shown."""
    assert transcribe(random).words == ()
    assert transcribe(random, final=False).words == ()
    assert transcribe(random, 20.0).words == ()


@pytest.mark.slow
def test_a_failing_network_is_an_engine_error_without_spoken_words(random: WhisperEngine) -> None:
    class Failing:
        def feature_extractor(self, audio: Samples) -> None:
            raise RuntimeError("out of memory")

    with pytest.raises(EngineError, match="engine whisper-small failed on 48000 samples: out of memory"):
        transcribe(WhisperEngine(Failing(), INFO))


# ---- silence, loops, habits ----


@pytest.mark.slow
@pytest.mark.parametrize("final", [True, False])
def test_a_loop_is_left_at_the_end_of_its_first_turn(says: SAYS, final: bool) -> None:
    assert text(transcribe(says(" Hello", " there", ends=False), final=final)) == "Hello there"


@pytest.mark.slow
def test_phrases_that_whisper_writes_into_silence_are_dropped(says: SAYS) -> None:
    assert transcribe(says(" Thank", " you", ".", no_speech=CERTAIN + 0.1)).words == ()
    assert transcribe(says(" Thank", " you", ".", sure=0.16)).words == ()
    assert text(transcribe(says(" Thank", " you", "."))) == "Thank you."


@pytest.mark.slow
def test_confident_text_is_shown_although_silence_was_detected(says: SAYS) -> None:
    """Whisper's own rule: its silence token counts only if the text is uncertain."""
    assert text(transcribe(says(*GREETING, no_speech=CERTAIN + 0.1))) == "Hello there, world."
    doubtful = says(" Hello", " there", " world", sure=0.12, no_speech=CERTAIN + 0.1)
    assert transcribe(doubtful).words == ()


# ---- terms ----


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The tokens of each prompt that the network is given."""
    import ctranslate2  # type: ignore[import-untyped]

    tokens, generate = vocabulary(multilingual=True), ctranslate2.models.Whisper.generate
    found: list[list[str]] = []

    def kept(network: Any, states: Any, prompts: Any, **options: Any) -> Any:
        found.extend([tokens[token].replace("Ġ", " ") for token in prompt] for prompt in prompts)
        return generate(network, states, prompts, **options)

    monkeypatch.setattr(ctranslate2.models.Whisper, "generate", kept)
    return found


@pytest.mark.slow
def test_terms_stand_in_the_prompt_heavier_ones_first(says: SAYS, prompts: list[list[str]]) -> None:
    engine = says(*GREETING)
    transcribe(engine, language="en")
    usual = prompts.pop()
    prompts.clear()
    transcribe(
        engine, language="en", terms=(Term("light", 0.5), Term("Caesura", 3.0), Term("hated", -2.0), Term("usual"))
    )
    prompt = prompts[0]
    start = prompt.index("<|startoftranscript|>")
    assert prompt[0] == "<|startofprev|>"
    assert "".join(prompt[1:start]) == " Caesura, usual, light"
    assert prompt[start:] == usual


@pytest.mark.slow
def test_terms_change_the_prompt_of_the_decoder(says: SAYS) -> None:
    """The script counts from the end of the prompt, so it comes out only if the terms are really in the prompt."""
    term = "ab"  # the mark, a blank and two letters, each a token
    assert text(transcribe(says(*GREETING, terms=4), terms=(Term(term),))) == "Hello there, world."
    assert text(transcribe(says(*GREETING, terms=4), language="de")) != "Hello there, world."


@pytest.mark.slow
def test_terms_that_do_not_fit_are_left_out_from_the_lightest_on(says: SAYS, prompts: list[list[str]]) -> None:
    terms = (Term("x" * 100, 3.0), Term("y" * 100, 2.0), Term("z" * 100, 1.5), Term("w"))
    tokens = 1 + 101 + 102 + 3  # the mark and three terms: a token for each letter, blank and comma
    assert text(transcribe(says(*GREETING, terms=tokens), language="en", terms=terms)) == "Hello there, world."
    shown = "".join(prompts[0][1 : prompts[0].index("<|startoftranscript|>")])
    assert "x" * 100 in shown
    assert "y" * 100 in shown
    assert "z" not in shown
    assert shown.endswith("w")
    assert len(prompts[0]) <= MAX_TERM_TOKENS + 5


@pytest.mark.slow
@pytest.mark.parametrize("final", [True, False])
def test_a_term_to_be_avoided_is_replaced_by_something_else(says: SAYS, final: bool) -> None:
    engine = says(" Hello", " world", ".")
    assert text(transcribe(engine, final=final)) == "Hello world."
    avoided = text(transcribe(engine, final=final, terms=(Term("World", -1.0),)))
    assert "world" not in avoided
    assert avoided.startswith("Hello")
    assert text(transcribe(engine, final=final, terms=(Term("word", -1.0),))) == "Hello world."


@pytest.mark.slow
def test_a_phrase_to_be_avoided_may_be_many_words_or_have_no_blanks(says: SAYS) -> None:
    engine = says(" Hello", " there", " world")
    assert text(transcribe(engine, terms=(Term("hello there", -1.0),))) != "Hello there world"
    assert text(transcribe(engine, terms=(Term("hello world", -1.0),))) == "Hello there world"
    japanese = says(*"こんにちは", language="ja")
    assert text(transcribe(japanese, terms=(Term("にち", -1.0),))) != "こ ん に ち は"


# ---- the laws of what comes out ----


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", " b", "", "  ", ",", "—", "c."]), st.floats(-1, 9), st.floats(-1, 9)),
        max_size=9,
    )
)
def test_words_are_in_order_inside_the_audio_and_never_bare_signs(found: list[tuple[str, float, float]]) -> None:
    given_words = [{"word": word, "start": start, "end": end, "probability": 1.5} for word, start, end in found]
    told = list(whisper.clean_words(given_words, 5.0))
    assert all(0.0 <= word.start <= word.end <= 5.0 and word.confidence == 1.0 for word in told)
    assert all(before.end <= after.start for before, after in pairwise(told))
    assert all(word.text == word.text.strip() != "" for word in told)
    assert all(any(letter.isalnum() for letter in word.text) for word in told[1:])
    assert "".join(word.text for word in told) == "".join(word.strip() for word, *_ in found)


# ---- what it is, and loading ----


def test_the_engine_info_is_known_without_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    small, english, cantonese = info("small"), info("tiny.en"), info("turbo@cuda")
    assert (small.name, small.arch, small.detects_language, small.biases) == ("whisper-small", "whisper", True, True)
    assert small.version == importlib.metadata.version("faster-whisper")
    assert info("") == small
    assert (len(small.languages), len(cantonese.languages)) == (99, 100)
    assert (english.languages, english.detects_language) == (("en",), False)
    assert INFO.languages == small.languages
    assert small.max_segment_s < whisper.WINDOW_S


@pytest.mark.slow
def test_the_languages_of_a_folder_are_known(tmp_path: Path) -> None:
    assert info(str(make(tmp_path / "mine"))).languages == info("small").languages
    assert info(str(make(tmp_path / "mine.en", Script(GREETING, multilingual=False)))).languages == ("en",)
    assert info(f"{tmp_path / 'mine'}@cpu").name == "whisper-mine"


def test_an_unknown_model_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no Whisper model is called 'smal'; choose one of tiny, tiny\.en, base"):
        info("smal")


def test_a_missing_model_is_never_downloaded_by_a_server(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"(?s)small is not on this machine.*`caesura models pull small`.*484 MB"):
        with_model_folder("small", tmp_path)


def test_loading_raises_the_same_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(EngineError, match="copy that folder"):
        load("small")


@pytest.mark.slow
def test_the_error_for_a_folder_without_a_model_names_the_missing_file(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match=r"incomplete: tokenizer\.json is missing; it must be a Whisper model"):
        load(str(folder))


@pytest.mark.slow
def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine")
    (folder / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(EngineError, match=r"engine whisper-mine could not read its files in .*mine"):
        load(str(folder))


@pytest.mark.slow
def test_a_missing_device_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    with pytest.raises(EngineError, match="no CUDA device"):
        load(f"{make(tmp_path / 'mine')}@cuda")


def test_the_error_without_faster_whisper_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This comes before the error that the model is missing, since pulling it would not help."""
    without_library(monkeypatch)
    wanted = re.escape(f"needs the package faster-whisper: `{install_command('whisper')}`")
    with pytest.raises(EngineError, match=wanted):
        info("large-v1")
    with pytest.raises(EngineError, match=wanted):
        with_model_folder("large-v1", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["ctranslate2", "faster_whisper"])
def test_the_error_for_a_library_that_does_not_load_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    wanted = re.escape(f"needs the package {package}: `{install_command('whisper')}`")
    with pytest.raises(EngineError, match=wanted):
        load(str(make(tmp_path / "mine")))


# ---- in a worker, behind a server ----


def wire_words(url: str, **options: Any) -> list[str]:
    """The words that a client gets for a recording."""

    async def ask() -> list[str]:
        async with connect(url, live=False, sample_rate=16_000, punctuate=True, **options) as line:
            pcm = (recording("lv-0880").samples * 32_767).astype("<i2").tobytes()
            async for _ in line.transcribe(pcm[at : at + 8_000] for at in range(0, len(pcm), 8_000)):
                pass
            return [word.text for word in (await line.finish()).words]

    return asyncio.run(ask())


@pytest.mark.slow
def test_a_server_transcribes_with_a_model_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is pulled from a hub, found in the home folder, loaded in a worker, and named on the wire."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = make(tmp_path / "made", Script(GREETING, language="en"))
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    with serving(FakeHub(files)) as hub:
        pull(find_model("tiny"), tmp_path / "home" / ".cache" / "caesura" / "models", endpoint=hub.url)
    with start_server(engine="whisper:tiny") as server:
        told = wire_words(server.url)
    assert told
    assert set(told) == {"Hello", "there,", "world."}


@pytest.mark.slow
def test_a_server_without_the_model_does_not_start_and_prints_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        pytest.raises(RuntimeError, match=r"tiny is not on this machine .*`caesura models pull tiny` downloads it"),
        start_server(engine="whisper:tiny"),
    ):
        pass
