"""Vosk engine: streaming models of Kaldi, with partial results, word times and confidences."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples
from caesura.engines.folder_ref import FolderRef, check_files, parse_folder_ref
from caesura.engines.models.runtime import library_version
from caesura.engines.streaming import StateFeed, StateStart
from caesura.errors import EngineError
from caesura.words import Word

PIECE: Final = SAMPLE_RATE // 5
"""Samples that Vosk decodes at a time. Pieces of exactly that many make the result independent of how audio comes."""
MAX_STATES: Final = 8
"""Each has a decoding graph of its own, which grows with the words that it comes across, to some 100 MB."""
MAX_REUSED_S: Final = 3_600
"""A recognizer that has taken so much audio is not used again: Vosk counts time in single precision."""
_UNKNOWN: Final = frozenset({"[unk]", "<unk>"})
_GRAPHS: Final = ("graph/HCLG.fst", "graph/HCLr.fst")
_KIND: Final = "a Vosk model, with am/final.mdl, conf/mfcc.conf and a graph"


def info(text: str) -> EngineInfo:
    """Properties of the engine that `vosk:TEXT` names.

    Raises:
        UsageError: the text names no folder, or no language.
        EngineError: Vosk is not installed, or the folder has no model.
    """
    return _info(_checked(text))


def with_model_folder(text: str) -> str:
    """Replace the folder in `text` by its absolute path. Raises as `info` does."""
    return _checked(text).text


def load(text: str) -> VoskEngine:
    """Load the model that `vosk:TEXT` names. Takes seconds.

    Raises as `info` does, and EngineError when the model cannot be loaded.
    """
    ref = _checked(text)
    try:
        import vosk
    except ImportError as error:
        raise EngineError(f"engine vosk cannot be imported: {error}") from error
    vosk.SetLogLevel(-1)
    try:
        model = vosk.Model(str(ref.folder))
    except Exception as error:
        raise EngineError(f"vosk: the model in {ref.folder} cannot be loaded: {error}") from error

    def new_recognizer() -> Any:
        recognizer = vosk.KaldiRecognizer(model, float(SAMPLE_RATE))
        recognizer.SetWords(True)
        recognizer.SetPartialWords(True)
        return recognizer

    return VoskEngine(new_recognizer, seed=ctypes.CDLL(None).srand)


@dataclass(slots=True)
class VoskState:
    """A recognizer at work on one state: what it took for earlier ones and for this one, in samples."""

    recognizer: Any
    before: int
    fed: int = 0
    rest: NDArray[np.int16] | None = None
    final: tuple[Word, ...] | None = None
    """The words of the state, once it has ended."""


class VoskEngine:
    """Recognizes with one model; implements `StreamingEngine`. Used by one thread.

    Vosk's endpoints are passed over: the server decides where utterances end. Recognizers are used again, one state
    after the other, for the decoding graph of a new one must be composed anew, which takes longer than the speech.
    """

    def __init__(self, new_recognizer: Callable[[], Any], *, seed: Callable[[int], object]) -> None:
        """Use the recognizers that `new_recognizer` makes.

        Args:
            new_recognizer: makes a `vosk.KaldiRecognizer` that returns words, also in partial results.
            seed: seeds the random numbers of the C library: Kaldi adds noise of them to all audio, and with noise that
                depends on nothing but the place in the state the same audio always gets the same words.
        """
        self._new_recognizer = new_recognizer
        self._seed = seed
        self._free: list[tuple[Any, int]] = []
        """Recognizers between two states, and the samples that they have taken; the last one is used first."""

    def open(self, start: StateStart) -> VoskState:
        """Begin a new state; terms are not used."""
        recognizer, before = self._free.pop() if self._free else (self._new_recognizer(), 0)
        return VoskState(recognizer, before)

    def feed(self, feeds: Sequence[StateFeed[VoskState]]) -> None:
        """Feed each state whole pieces, and the rest with its last audio; Kaldi decodes one state at a time."""
        for feed in feeds:
            state = feed.state
            state.rest = self._take_pieces(state, _pcm(feed.audio))
            if feed.last:
                self._accept(state, state.rest)
                state.final = tuple(_words(state.recognizer.FinalResult(), "result", state.before))

    def results(self, state: VoskState) -> Hypothesis:
        """The words so far."""
        if state.final is not None:
            return Hypothesis(state.final)
        return Hypothesis(tuple(_words(state.recognizer.PartialResult(), "partial_result", state.before)))

    def close(self, state: VoskState) -> None:
        """Keep the recognizer for the next state."""
        if state.final is None:
            state.recognizer.FinalResult()
        taken = state.before + state.fed
        if taken <= MAX_REUSED_S * SAMPLE_RATE:
            self._free.append((state.recognizer, taken))

    def _take_pieces(self, state: VoskState, audio: NDArray[np.int16]) -> NDArray[np.int16]:
        """Feed all whole pieces; returns what is left."""
        if state.rest is not None:
            audio = np.concatenate((state.rest, audio))
        whole = len(audio) - len(audio) % PIECE
        for at in range(0, whole, PIECE):
            self._accept(state, audio[at : at + PIECE])
        return audio[whole:]

    def _accept(self, state: VoskState, piece: NDArray[np.int16]) -> None:
        if len(piece):
            self._seed(state.fed // PIECE + 1)
            state.recognizer.AcceptWaveform(piece.tobytes())
            state.fed += len(piece)


def _pcm(audio: Samples) -> NDArray[np.int16]:
    finite = np.nan_to_num(audio, nan=0.0, posinf=1.0, neginf=-1.0)
    return (np.clip(finite, -1.0, 1.0) * 32_767).astype("<i2")


def _words(result: str, field: str, before: int) -> Iterator[Word]:
    """The words of a result, whose times count from the first audio that the recognizer ever took."""
    end, shift = 0.0, before / SAMPLE_RATE
    for found in json.loads(result).get(field, ()):
        if found["word"] not in _UNKNOWN:
            start = max(round(found["start"] - shift, 3), end)
            end = max(round(found["end"] - shift, 3), start)
            yield Word(found["word"], start, end, min(max(float(found["conf"]), 0.0), 1.0))


def _checked(text: str) -> FolderRef:
    ref = parse_folder_ref("vosk", text)
    library_version("vosk", "vosk")
    check_files("vosk", ref.folder, _missing(ref.folder), _KIND)
    return ref


def _missing(folder: Path) -> tuple[str, ...]:
    if (folder / "final.mdl").is_file():  # the layout of older models, with all files side by side
        wanted = ["mfcc.conf", "HCLG.fst"]
    else:
        graph = next((name for name in _GRAPHS if (folder / name).is_file()), " or ".join(_GRAPHS))
        wanted = ["am/final.mdl", "conf/mfcc.conf", graph]
    return tuple(name for name in wanted if not (folder / name).is_file())


def _info(ref: FolderRef) -> EngineInfo:
    name = ref.folder.name
    name = name if name.startswith(INFO.name) else f"{INFO.name}-{name}"
    return replace(INFO, name=name, version=library_version("vosk", "vosk"), languages=ref.languages)


INFO: Final = EngineInfo(
    name="vosk",
    version="",
    arch="kaldi",
    languages=(),
    min_endpointing_s=0.35,
    max_segment_s=20.0,
    max_jobs=8,
    streaming=True,
    max_states=MAX_STATES,
)
"""What all models have in common; `info` adds the name and the languages of one."""
