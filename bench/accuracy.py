"""Bench of accuracy: word error rates of live streams and of the same engine on whole files.

    python bench/accuracy.py --speech DIR --joined
    python bench/accuracy.py --speech DIR --conditions

With --conditions the recordings are transcribed as on a telephone, in noise, at low level and in a room
(bench/conditions.py), and whole files go to the engine without voice activity detection: in one piece, or cut where it
is quietest within 9 s.

DIR holds recordings and manifest.jsonl, one JSON object a line: `file`, `text`. The live path is a running server's
socket: linear16 with interims and endpointing 300. Whole files go to the same engine without a server, twice: in one
piece from the first to the last speech, and cut at pauses of 350 ms, as a live path must. Texts are normalised as
Whisper's authors do for English.
"""

from __future__ import annotations

import argparse
import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from conditions import apply, conditions
from load import BUNDLED, FRAME_S, FRAME_SAMPLES, RATE, Pcm, Recording, recordings, room_tone, run, serving
from report import common_arguments, console, progress_bar, repeat, write
from rich.table import Table

from caesura.client.line import connect
from caesura.engines.base import Engine, Priority, Samples, SegmentJob
from caesura.engines.registry import load_engine
from caesura.speech.endpointer import Endpointer
from caesura.speech.vad import SileroModel, SileroVad, load_silero

with warnings.catch_warnings():
    # whisper_normalizer's sources have escapes for which newer Pythons warn.
    warnings.simplefilter("ignore")
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

PAD = int(0.2 * RATE)
CUT_S = 0.35
WHOLE_LIMIT_S = 30.0
PIECE = 9 * RATE
"""Longest piece of a whole file that the engine is given without voice activity detection."""
EARLIEST = round(0.4 * PIECE)
QUIET = round(0.16 * RATE)
PUSH_SAMPLES = 10 * FRAME_SAMPLES
"""Audio of one message at full speed."""


@dataclass(frozen=True, slots=True)
class Score:
    """Errors in a number of reference words."""

    words: int
    errors: int

    def __add__(self, other: Score) -> Score:
        return Score(self.words + other.words, self.errors + other.errors)

    @property
    def percent(self) -> float:
        """The word error rate."""
        return 100 * self.errors / self.words


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; texts are as they were transcribed."""

    name: str
    whole: Score
    cut: Score
    live: Score
    whole_text: str
    cut_text: str
    live_text: str


class Scorer:
    """Counts the errors of a transcript against the reference."""

    def __init__(self) -> None:
        self._normal: Callable[[str], str] = EnglishTextNormalizer()

    def score(self, reference: str, transcript: str) -> Score:
        """Compare both texts after normalising. Exits when the reference has no words."""
        normal = self._normal(reference)
        if not normal:
            raise SystemExit(f"manifest: the text {reference!r} has no words; leave the recording out")
        counted = jiwer.process_words(normal, self._normal(transcript))
        errors = counted.substitutions + counted.deletions + counted.insertions
        return Score(counted.hits + counted.substitutions + counted.deletions, errors)


def spans(vad: SileroModel, samples: Samples, pause_s: float | None) -> list[tuple[int, int]]:
    """The spans of speech, padded: from the first to the last, or cut at pauses of `pause_s`."""
    found: list[tuple[int, int]] = []
    endpointer = Endpointer()
    for probability in SileroVad(vad).feed(samples):
        endpointer.feed(float(probability))
        if pause_s is not None and endpointer.onset is not None and endpointer.silence >= pause_s * RATE:
            found.append((endpointer.onset, endpointer.speech_end))
            endpointer.segment()
    if endpointer.onset is not None:
        found.append((endpointer.onset, endpointer.speech_end))
    return [(max(first - PAD, 0), min(last + PAD, len(samples))) for first, last in found]


def whole_text(engine: Engine, vad: SileroModel, recording: Recording, pause_s: float | None = None) -> str:
    """Transcribe a whole recording: in one piece, or in pieces cut at its pauses."""
    samples = recording.pcm.astype(np.float32) * np.float32(1 / 32768)
    pieces = spans(vad, samples, pause_s)
    if any(last - first > WHOLE_LIMIT_S * RATE for first, last in pieces):
        raise SystemExit(f"{recording.name} holds more than {WHOLE_LIMIT_S:g} s of speech; cut it into shorter files")
    jobs = [SegmentJob(samples[first:last], first / RATE, priority=Priority.FINAL) for first, last in pieces]
    return " ".join(word.text for hypothesis in engine.transcribe(jobs) for word in hypothesis.words)


def undetected_text(engine: Engine, recording: Recording) -> str:
    """Transcribe a whole recording without voice activity detection, in pieces cut where they are quietest."""
    samples = recording.pcm.astype(np.float32) * np.float32(1 / 32768)
    edges = [0]
    while len(samples) - edges[-1] > PIECE:
        edges.append(quietest(samples, edges[-1] + EARLIEST, edges[-1] + PIECE))
    edges.append(len(samples))
    jobs = [SegmentJob(samples[first:last], first / RATE, priority=Priority.FINAL) for first, last in pairwise(edges)]
    return " ".join(word.text for hypothesis in engine.transcribe(jobs) for word in hypothesis.words)


def quietest(samples: Samples, first: int, last: int) -> int:
    """The middle of the quietest 160 ms between these two positions."""
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[QUIET:] - energy[:-QUIET])) + QUIET // 2


async def live_text(url: str, pcm: Pcm, *, realtime: bool, parameters: Mapping[str, Any]) -> str:
    """Stream `pcm`. Returns the text of all finals."""

    async def feed() -> AsyncIterator[bytes]:
        step = FRAME_SAMPLES if realtime else PUSH_SAMPLES
        begun = asyncio.get_running_loop().time()
        for number, at in enumerate(range(0, len(pcm), step)):
            if realtime:
                await asyncio.sleep(max(0.0, begun + number * FRAME_S - asyncio.get_running_loop().time()))
            yield pcm[at : at + step].astype("<i2").tobytes()

    async with connect(url, live=realtime, sample_rate=RATE, **parameters) as line:
        async for _ in line.transcribe(feed()):
            pass
        transcript = await line.finish()
    if not transcript.complete:
        raise SystemExit(f"the stream did not end as it should: {transcript.error}")
    return transcript.text


async def measure(arguments: argparse.Namespace, spoken: Sequence[Recording], number: int) -> list[Row]:
    """One run: a row for each recording, and, with `--joined`, one for all of them joined to one stream."""
    scorer, engine, vad = Scorer(), load_engine(arguments.engine), load_silero()
    parameters = {
        "interim_results": "true",
        "endpointing": str(arguments.endpointing),
        "punctuate": "true",
        "model": "nova-3",
    }
    rows: list[Row] = []
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            task = progress.add_task(f"run {number}", total=len(spoken) + arguments.joined)
            for recording in spoken:
                whole = whole_text(engine, vad, recording)
                cut = whole_text(engine, vad, recording, CUT_S)
                live = await live_text(server.url, recording.pcm, realtime=arguments.realtime, parameters=parameters)
                rows.append(_row(scorer, recording.name, recording.text, whole, cut, live))
                progress.advance(task)
            if arguments.joined:
                pause = room_tone(arguments.pause)
                pcm = np.concatenate([piece for recording in spoken for piece in (recording.pcm, pause)])
                live = await live_text(server.url, pcm, realtime=arguments.realtime, parameters=parameters)
                reference = " ".join(recording.text for recording in spoken)
                whole, cut = (
                    " ".join(texts) for texts in zip(*((r.whole_text, r.cut_text) for r in rows), strict=True)
                )
                rows.append(_row(scorer, "joined", reference, whole, cut, live))
                progress.advance(task)
    return rows


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """All recordings under one condition: live, and the engine alone."""

    condition: str
    alone: Score
    live: Score
    texts: tuple[tuple[str, str, str], ...]
    """For each recording its name, the transcript of the engine alone, and that of the live stream."""


async def measure_conditions(
    arguments: argparse.Namespace, spoken: Sequence[Recording], number: int
) -> list[ConditionRow]:
    """One run: a row for each condition."""
    scorer, engine = Scorer(), load_engine(arguments.engine)
    parameters = {"interim_results": "true", "endpointing": str(arguments.endpointing), "model": "nova-3"}
    made, rows = conditions(spoken), []
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            task = progress.add_task(f"run {number}", total=len(made) * len(spoken))
            for name, condition in made.items():
                alone = live = Score(0, 0)
                texts = []
                for recording in (apply(condition, each) for each in spoken):
                    engine_text = undetected_text(engine, recording)
                    text = await live_text(
                        server.url, recording.pcm, realtime=arguments.realtime, parameters=parameters
                    )
                    alone += scorer.score(recording.text, engine_text)
                    live += scorer.score(recording.text, text)
                    texts.append((recording.name, engine_text, text))
                    progress.advance(task)
                rows.append(ConditionRow(name, alone, live, tuple(texts)))
    return rows


def show_conditions(rows: Sequence[ConditionRow]) -> None:
    """Print the table of one run."""
    table = Table(title="Word errors by condition: live path against the engine alone", title_justify="left")
    table.add_column("condition")
    for column in ("words", "engine alone %", "live %", "live - alone"):
        table.add_column(column, justify="right")
    for row in rows:
        difference = f"{row.live.percent - row.alone.percent:+.1f}"
        table.add_row(
            row.condition, str(row.live.words), f"{row.alone.percent:.1f}", f"{row.live.percent:.1f}", difference
        )
    console.print(table)


def _row(scorer: Scorer, name: str, reference: str, whole: str, cut: str, live: str) -> Row:
    whole_score, cut_score, live_score = (scorer.score(reference, text) for text in (whole, cut, live))
    return Row(name, whole_score, cut_score, live_score, whole, cut, live)


def total(rows: Sequence[Row]) -> tuple[Score, Score, Score]:
    """Sums of the scores (whole, cut and live) over all recordings, without the joined stream."""
    alone = [row for row in rows if row.name != "joined"]
    none = Score(0, 0)
    return (
        sum((row.whole for row in alone), none),
        sum((row.cut for row in alone), none),
        sum((row.live for row in alone), none),
    )


def show(rows: Sequence[Row]) -> None:
    """Print the table of one run."""
    table = Table(title="Word errors: live path against whole files", title_justify="left")
    table.add_column("recording")
    for column in ("words", "one piece %", "cut at pauses %", "live %", "live - cut", "live - one piece"):
        table.add_column(column, justify="right")
    lines = [*((row.name, row.whole, row.cut, row.live) for row in rows), ("all, each alone", *total(rows))]
    for name, whole, cut, live in lines:
        differences = [f"{live.percent - other.percent:+.2f}" for other in (cut, whole)]
        scores = [f"{score.percent:.2f}" for score in (whole, cut, live)]
        table.add_row(name, str(whole.words), *scores, *differences)
    console.print(table)


def as_json(row: Row) -> dict[str, object]:
    """A row with both texts, so that errors can be read."""
    return {
        "recording": row.name,
        "words": row.whole.words,
        "whole_errors": row.whole.errors,
        "cut_errors": row.cut.errors,
        "live_errors": row.live.errors,
        "whole_text": row.whole_text,
        "cut_text": row.cut_text,
        "live_text": row.live_text,
    }


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    parser.add_argument("--joined", action="store_true", help="stream all recordings as one, too")
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between joined ones (default: %(default)s)")
    parser.add_argument("--realtime", action="store_true", help="send in real time instead of at full speed")
    parser.add_argument("--endpointing", type=int, default=300, help="milliseconds (default: %(default)s)")
    parser.add_argument(
        "--conditions",
        action="store_true",
        help="compare recording conditions instead",
    )
    arguments = parser.parse_args()
    spoken = recordings(arguments.speech)
    if arguments.conditions:
        by_condition = repeat(arguments.runs, lambda number: run(measure_conditions(arguments, spoken, number)))
        show_conditions(by_condition[0])
        write("conditions", arguments, {"runs": [[asdict(row) for row in each] for each in by_condition]})
        return
    runs = repeat(arguments.runs, lambda number: run(measure(arguments, spoken, number)))
    # The median run by errors of the live path, so that its rows belong together.
    rows = sorted(runs, key=lambda each: total(each)[2].errors)[len(runs) // 2]
    show(rows)
    if len(runs) > 1:
        live = sorted(total(each)[2].percent for each in runs)
        console.print(f"Live WER over {len(runs)} runs: {live[0]:.2f} to {live[-1]:.2f} %; above is the median run.")
    write("accuracy", arguments, {"runs": [[as_json(row) for row in each] for each in runs]})


if __name__ == "__main__":
    main()
