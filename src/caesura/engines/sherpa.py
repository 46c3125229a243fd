"""Sherpa engine: streaming transducer, CTC and Paraformer models of sherpa-onnx, several streams decoded together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples
from caesura.engines.folder_ref import FolderRef, check_files, parse_folder_ref
from caesura.engines.models.model_ref import check_complete, parse_model_ref
from caesura.engines.models.onnx_catalogue import SHERPA
from caesura.engines.models.runtime import library_version
from caesura.engines.onnx_metadata import onnx_metadata
from caesura.engines.streaming import StateFeed, StateStart
from caesura.engines.timed_tokens import TimedToken, timed_words
from caesura.errors import EngineError

CHUNK_KEYS: Final = ("T", "window_size")
"""Where the metadata of a model says how many frames of 10 ms it takes at once."""
LONGEST_CHUNK: Final = 300
"""What is taken for that where the metadata of a WeNet or Paraformer model says nothing."""
_FRAME: Final = SAMPLE_RATE // 100
_SPARE: Final = 10
"""Frames beyond a whole chunk, for the edges of the feature extraction."""
_LIBRARY: Final = "sherpa-onnx"
_KIND: Final = "a streaming model of sherpa-onnx: tokens.txt, and encoder, decoder and joiner, or one model.onnx"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files of a model: `parts` by their names in sherpa-onnx, and which of its constructors takes them."""

    constructor: str
    tokens: Path
    parts: Mapping[str, Path]

    @property
    def network(self) -> Path:
        """The file with the acoustic model."""
        return next(iter(self.parts.values()))


def info(text: str) -> EngineInfo:
    """Properties of the engine that `sherpa:TEXT` names.

    Raises:
        UsageError: the text names neither a model of the catalogue nor a folder, or no language.
        EngineError: sherpa-onnx is not installed, or the folder has no model.
    """
    return _info(_checked(text))


def with_model_folder(text: str, models: Path) -> str:
    """Replace the model's name in `text` by its folder under `models`, or its folder by an absolute path.

    Raises as `info` does.
    """
    return _checked(text, models).text


def load(text: str) -> SherpaEngine:
    """Load the model that `sherpa:TEXT` names. Takes seconds.

    Raises as `info` does, and EngineError when the model cannot be loaded.
    """
    ref = _checked(text)
    files = model_files(ref.folder)
    chunk = _chunk(files)
    try:
        import sherpa_onnx
    except ImportError as error:
        raise EngineError(f"engine sherpa cannot be imported: {error}") from error
    construct: Callable[..., Any] = getattr(sherpa_onnx.OnlineRecognizer, files.constructor)
    paths = {name: str(path) for name, path in files.parts.items()}
    try:
        # One thread: the machine is used fully by worker processes. No endpoints: the server decides about those.
        recognizer = construct(
            tokens=str(files.tokens), num_threads=1, sample_rate=SAMPLE_RATE, enable_endpoint_detection=False, **paths
        )
    except Exception as error:
        raise EngineError(f"sherpa: the model in {ref.folder} cannot be loaded: {error}") from error
    return SherpaEngine(recognizer, chunk=chunk)


@dataclass(slots=True)
class SherpaState:
    """A stream of sherpa-onnx, and how much audio it took."""

    stream: Any
    fed: int = 0


class SherpaEngine:
    """Recognizes with one model; implements `StreamingEngine`. Used by one thread.

    A model takes audio in chunks; those of all states that are complete are decoded together, round by round.
    """

    def __init__(self, recognizer: Any, *, chunk: int) -> None:
        """Use `recognizer`, a `sherpa_onnx.OnlineRecognizer`, whose model takes `chunk` frames of 10 ms at once."""
        self._recognizer = recognizer
        self._padding = np.zeros((chunk + _SPARE) * _FRAME, np.float32)

    def open(self, start: StateStart) -> SherpaState:
        """Begin a new state; terms are not used."""
        return SherpaState(self._recognizer.create_stream())

    def feed(self, feeds: Sequence[StateFeed[SherpaState]]) -> None:
        """Feed each state, and decode all chunks that are complete; behind its last audio a state gets silence."""
        for feed in feeds:
            stream = feed.state.stream
            stream.accept_waveform(SAMPLE_RATE, _finite(feed.audio))
            feed.state.fed += len(feed.audio)
            if feed.last:
                stream.accept_waveform(SAMPLE_RATE, self._padding)
                stream.input_finished()
        streams = [feed.state.stream for feed in feeds]
        while ready := [stream for stream in streams if self._recognizer.is_ready(stream)]:
            self._recognizer.decode_streams(ready)

    def results(self, state: SherpaState) -> Hypothesis:
        """The words so far."""
        found = self._recognizer.get_result_all(state.stream)
        seconds = state.fed / SAMPLE_RATE
        return Hypothesis(timed_words(_timed(found, seconds), seconds))

    def close(self, state: SherpaState) -> None:
        """Free the stream."""
        state.stream = None


def model_files(folder: Path) -> ModelFiles:
    """Find the files of a streaming model in `folder`; of a file with several precisions the smaller one, in int8.

    Raises:
        EngineError: there is no folder, or files are missing; the sentence names them.
    """
    parts = {name: _file(folder, name) for name in ("encoder", "decoder", "joiner")}
    tokens = folder / "tokens.txt"
    model = _file(folder, "model") or _file(folder, "ctc")
    network = [] if model or (parts["encoder"] and parts["decoder"]) else _network_missing(parts)
    missing = (*network, *(() if tokens.is_file() else ("tokens.txt",)))
    check_files("sherpa", folder, missing, _KIND)
    found = {name: path for name, path in parts.items() if path is not None}
    if "encoder" in found and "decoder" in found:
        return ModelFiles("from_transducer" if "joiner" in found else "from_paraformer", tokens, found)
    assert model is not None
    kind = onnx_metadata(model).get("model_type", "")
    constructor = CTC_CONSTRUCTORS.get(kind) or ("from_nemo_ctc" if kind.startswith("EncDec") else None)
    if constructor is None:
        known = ", ".join((*CTC_CONSTRUCTORS, "EncDec..."))
        raise EngineError(f"sherpa: {model} is of the type {kind!r}; the streaming types of one file are {known}")
    return ModelFiles(constructor, tokens, {"model": model})


CTC_CONSTRUCTORS: Final[Mapping[str, str]] = MappingProxyType(
    {"zipformer2": "from_zipformer2_ctc", "wenet_ctc": "from_wenet_ctc"}
)
"""Constructors of models of one file, by the type in their metadata; those of NeMo begin with `EncDec`."""


def _network_missing(parts: Mapping[str, Path | None]) -> list[str]:
    if any(parts.values()):
        return [f"{name}.onnx" for name, path in parts.items() if path is None]
    return ["encoder.onnx, decoder.onnx and joiner.onnx (or model.onnx)"]


def _file(folder: Path, part: str) -> Path | None:
    """`encoder.onnx`, or with more in its name, such as `encoder-epoch-99-avg-1.int8.onnx`; int8 if there is one."""
    found = [path for path in sorted(folder.glob("*.onnx")) if part in path.name.split(".")[0].split("-")]
    return next((path for path in found if ".int8." in path.name), found[0] if found else None)


def _chunk(files: ModelFiles) -> int:
    """Frames that the model takes at once. Raises EngineError when it must say so and does not."""
    metadata = onnx_metadata(files.network)
    stated = next((metadata[key] for key in CHUNK_KEYS if key in metadata), "")
    if stated.isdigit():
        return int(stated)
    # sherpa-onnx would end the process.
    if files.constructor not in {"from_paraformer", "from_wenet_ctc"}:
        raise EngineError(f"sherpa: {files.network} is no streaming model: its metadata has none of {CHUNK_KEYS}")
    return LONGEST_CHUNK


def _finite(audio: Samples) -> Samples:
    return np.nan_to_num(np.ascontiguousarray(audio, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)


def _timed(result: Any, seconds: float) -> Iterator[TimedToken]:
    """The tokens of a result, in which a blank begins a word, as it does each sign of a script without blanks."""
    count = len(result.tokens)
    # Not all models and decoding methods return a time and a probability for each token.
    starts = result.timestamps if len(result.timestamps) == count else np.linspace(0.0, seconds, count, endpoint=False)
    logprobs = result.ys_probs if len(result.ys_probs) == count else [0.0] * count
    for token, start, logprob in zip(_joined_bytes(result.tokens), map(float, starts), logprobs, strict=True):
        if token:
            text = token.replace("▁", " ")
            yield TimedToken(f" {text}" if _is_sign(text[0]) else text, start, float(np.exp(min(logprob, 0.0))))


def _joined_bytes(tokens: Iterable[str]) -> Iterator[str]:
    """The same tokens, with characters in place of their bytes, which models write as `<0xE4>`.

    A character comes in place of its last byte, an empty text in place of the others.
    """
    held = b""
    for token in tokens:
        if len(token) == len("<0x00>") and token.startswith("<0x") and token.endswith(">"):
            held += bytes([int(token[3:5], 16)])
            text = held.decode("utf-8", "ignore")
            held = b"" if text or len(held) >= 4 else held
            yield text
        else:
            held = b""
            yield token


def _is_sign(letter: str) -> bool:
    """Whether a letter is of a script without blanks: Han, Kana, Thai, Lao, Khmer or Burmese."""
    code = ord(letter)
    return any(first <= code <= last for first, last in _WITHOUT_BLANKS)


_WITHOUT_BLANKS: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF))


def _checked(text: str, models: Path | None = None) -> FolderRef:
    ref = _reference(text, models)
    library_version("sherpa", _LIBRARY)
    model_files(ref.folder)
    return ref


def _reference(text: str, models: Path | None) -> FolderRef:
    """A model of the catalogue, whose languages are known, or a folder."""
    if text.startswith(("/", ".", "~")):
        return parse_folder_ref(SHERPA, text)
    ref = parse_model_ref(text, models, SHERPA)
    check_complete(ref)
    return FolderRef(ref.folder, () if ref.entry is None else ref.entry.languages)


def _info(ref: FolderRef) -> EngineInfo:
    name = ref.folder.name
    name = name if name.startswith(INFO.name) else f"{INFO.name}-{name}"
    return replace(INFO, name=name, version=library_version("sherpa", _LIBRARY), languages=ref.languages)


INFO: Final = EngineInfo(
    name="sherpa",
    version="",
    arch="sherpa-onnx",
    languages=(),
    min_endpointing_s=0.35,
    max_segment_s=20.0,
    max_jobs=16,
    streaming=True,
)
"""What all models have in common; `info` adds the name and the languages of one."""
