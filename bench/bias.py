"""Bench of keyterm biasing: how many names are recognised without and with terms, and how many are inserted falsely.

    python bench/bias.py --speech DIR --noise 10 5

DIR holds recordings and manifest.jsonl, one JSON object a line: `file`, `text`, and `terms` for the names in it. Where
a line has none, its terms are the words of five letters and more that the engine misses without terms. Each recording
is cut at its pauses, as a live path must, and transcribed three times: without terms, with its own among 100, and with
100 others. The others are first the names in other recordings, then names that are in none. A term is inserted falsely
if it is recognised although it is neither in the text nor recognised without terms.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from load import BUNDLED, RATE, Pcm, Recording, recordings
from report import console, progress_bar, write
from rich.table import Table
from scoring import WordErrors, word_errors

from caesura.engines.base import Engine, Hypothesis, Priority, Samples, SegmentJob, Term
from caesura.engines.registry import load_engine
from caesura.speech.endpointer import Endpointer
from caesura.speech.vad import SileroModel, SileroVad, load_silero

GIVEN = 100
"""Number of terms in each list."""

LEAST_LETTERS = 5
PAD = int(0.2 * RATE)
CUT_S = 0.35
INTERIM_S = 0.5

_NAMES = """
Abernathy Aldershot Anaheim Ansible Antwerp Bartholomew Beaumont Birmingham Bucharest Byzantium Calloway Cassandra
Catalina Chattanooga Cholmondeley Copenhagen Crawford Desdemona Dubrovnik Eastbourne Elasticsearch Esmeralda
Eyjafjallajokull Fairbanks Fitzwilliam Fontaine Gallagher Gibraltar Guadalajara Guinevere Hammersmith Hertfordshire
Hohenzollern Honolulu Inverness Isabella Istanbul Izmir Jaroslav Jenkins Johannesburg Kalamazoo Kensington Kilimanjaro
Kowalski Lancaster Leopold Longbourn Luxembourg MacAllister Magdalena Marrakesh McKenzie Montgomery Nathaniel Newcastle
Nottingham Octavian Ophelia Oslo Palermo Pemberley Penelope Pittsburgh Quetzal Rasmussen Rosings Rutherford Salamanca
Sebastian Sheffield Stavanger Stockholm Tarragona Terraform Thessaloniki Timbuktu Ulrich Uppsala Vanderbilt Vauxhall
Victoria Wellington Wickham Winchester Wolverhampton Xerxes Yarmouth Yokohama Zanzibar Zimmermann amoxicillin
atorvastatin gabapentin levothyroxine omeprazole pantoprazole sertraline simvastatin warfarin
"""
DISTRACTORS = tuple(_NAMES.split())


@dataclass(frozen=True, slots=True)
class Case:
    """One recording at one noise level: its segments, and the terms that are spoken in it."""

    name: str
    text: str
    segments: tuple[Samples, ...]
    terms: tuple[str, ...]


@dataclass(slots=True)
class Sum:
    """Totals of all recordings at one noise level, with one kind of list."""

    words: WordErrors = field(default_factory=WordErrors)
    spoken: int = 0
    recognized: int = 0
    false: list[str] = field(default_factory=list)
    cpu_s: float = 0.0
    interim_cpu_s: float = 0.0
    texts: list[str] = field(default_factory=list)


def noisy(pcm: Pcm, ratio_db: float | None) -> Samples:
    """Convert to float32 in -1..1, with white noise so many decibels below the speech."""
    samples = pcm.astype(np.float32) * np.float32(1 / 32768)
    if ratio_db is None:
        return samples
    level = float(np.sqrt(np.mean(np.square(samples)))) * 10 ** (-ratio_db / 20)
    noise = np.random.default_rng(3).normal(0.0, level, samples.size)
    return np.clip(samples + noise, -1.0, 1.0).astype(np.float32)


def plain(text: str) -> str:
    """Lower the words and put single blanks around each, without punctuation, hyphens and possessives."""
    return " " + " ".join(re.findall(r"\w+", re.sub("['\u2019]s\\b", "", text.casefold()))) + " "


def spans(vad: SileroModel, samples: Samples) -> list[tuple[int, int]]:
    """The spans of speech, padded, cut at pauses of `CUT_S`."""
    found: list[tuple[int, int]] = []
    endpointer = Endpointer()
    for probability in SileroVad(vad).feed(samples):
        endpointer.feed(float(probability))
        if endpointer.onset is not None and endpointer.silence >= CUT_S * RATE:
            found.append((endpointer.onset, endpointer.speech_end))
            endpointer.segment()
    if endpointer.onset is not None:
        found.append((endpointer.onset, endpointer.speech_end))
    return [(max(first - PAD, 0), min(last + PAD, len(samples))) for first, last in found]


def cases(engine: Engine, vad: SileroModel, spoken: Sequence[Recording], named: dict[str, list[str]],
          ratio_db: float | None) -> list[Case]:  # fmt: skip
    """Cut each recording at its pauses, and find its terms."""
    made = []
    for recording in spoken:
        samples = noisy(recording.pcm, ratio_db)
        segments = tuple(samples[first:last] for first, last in spans(vad, samples))
        terms = named.get(recording.name)
        if terms is None:
            recognised = plain(" ".join(_text(hypothesis) for hypothesis in transcribe(engine, segments, ())[0]))
            words = dict.fromkeys(re.findall(r"[^\W\d_]+", recording.text))
            terms = [word for word in words if len(word) >= LEAST_LETTERS and plain(word) not in recognised]
        made.append(Case(recording.name, recording.text, segments, tuple(terms)))
    return made


def transcribe(engine: Engine, segments: Sequence[Samples], terms: tuple[Term, ...]) -> tuple[list[Hypothesis], float]:
    """Transcribe the segments; returns their finals, and the CPU seconds that they took."""
    begun = time.process_time()
    hypotheses = engine.transcribe([SegmentJob(segment, 0.0, Priority.FINAL, terms=terms) for segment in segments])
    return hypotheses, time.process_time() - begun


def interims(engine: Engine, segments: Sequence[Samples], terms: tuple[Term, ...]) -> float:
    """CPU seconds for interims of growing prefixes, each with the one before as its draft."""
    begun, step = time.process_time(), int(INTERIM_S * RATE)
    for segment in segments:
        draft: Hypothesis | None = None
        for end in range(step, segment.size, step):
            [draft] = engine.transcribe([SegmentJob(segment[:end], 0.0, Priority.INTERIM, draft, terms=terms)])
    return time.process_time() - begun


def measure(engine: Engine, made: Sequence[Case], named: dict[str, list[str]], weight: float) -> dict[str, Sum]:
    """Measure all recordings with each of the three lists of terms."""
    sums = {"no terms": Sum(), "own terms among 100": Sum(), "100 others": Sum()}
    every = dict.fromkeys(name for names in named.values() for name in names)
    with progress_bar() as progress:
        task = progress.add_task("recordings", total=len(made))
        for case in made:
            others = [term for term in [*every, *DISTRACTORS] if plain(term) not in plain(case.text)]
            lists = ((), (*case.terms, *others)[:GIVEN], tuple(others[:GIVEN]))
            before = ""
            for total, given in zip(sums.values(), lists, strict=True):
                terms = tuple(Term(term, weight) for term in given)
                hypotheses, cpu_s = transcribe(engine, case.segments, terms)
                text = " ".join(map(_text, hypotheses))
                before = before or text
                _count(total, case, given, text, before)
                total.cpu_s += cpu_s
                total.interim_cpu_s += interims(engine, case.segments, terms)
            progress.advance(task)
    return sums


def _count(total: Sum, case: Case, given: Sequence[str], text: str, before: str) -> None:
    folded, reference = plain(text), plain(case.text)
    total.words += word_errors(case.text, text)
    total.spoken += len(case.terms)
    total.recognized += sum(plain(term) in folded for term in case.terms)
    known = reference + plain(before)
    total.false += [f"{case.name}: {term}" for term in given if plain(term) in folded and plain(term) not in known]
    total.texts.append(text)


def _text(hypothesis: Hypothesis) -> str:
    return " ".join(word.text for word in hypothesis.words)


def show(title: str, sums: dict[str, Sum]) -> None:
    """Print the table of one noise level."""
    table = Table(title=title, title_justify="left")
    table.add_column("terms given")
    for column in ("terms spoken", "recognized", "recall %", "false", "WER %", "CPU of finals", "of interims"):
        table.add_column(column, justify="right")
    bare = sums["no terms"]
    for name, total in sums.items():
        recall = f"{100 * total.recognized / total.spoken:.1f}" if total.spoken else "-"
        ratios = [f"x {mine / base:.2f}" for mine, base in _cpu(total, bare)]
        table.add_row(
            name,
            str(total.spoken),
            str(total.recognized),
            recall,
            str(len(total.false)),
            f"{total.words.percent:.2f}",
            *ratios,
        )
    console.print(table)
    for name, total in sums.items():
        if total.false:
            console.print(f"Falsely inserted with {name}: {', '.join(total.false)}")


def _cpu(mine: Sum, bare: Sum) -> list[tuple[float, float]]:
    return [(mine.cpu_s, bare.cpu_s), (mine.interim_cpu_s, bare.interim_cpu_s or float("nan"))]


def as_json(sums: dict[str, Sum]) -> dict[str, object]:
    """The figures with the texts, so that errors can be examined."""
    return {
        name: {
            "spoken": total.spoken,
            "recognized": total.recognized,
            "false": total.false,
            "words": total.words.words,
            "errors": total.words.total,
            "cpu_s": total.cpu_s,
            "interim_cpu_s": total.interim_cpu_s,
            "texts": total.texts,
        }
        for name, total in sums.items()
    }


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    parser.add_argument("--engine", default="moonshine", help="the engine, in this process (default: %(default)s)")
    parser.add_argument(
        "--noise", type=float, nargs="*", default=[], help="also with white noise, decibels below speech"
    )
    parser.add_argument("--weight", type=float, default=1.0, help="of each term (default: %(default)s)")
    arguments = parser.parse_args()
    spoken = recordings(arguments.speech)
    lines = [
        json.loads(line) for line in (arguments.speech / "manifest.jsonl").read_text().splitlines() if line.strip()
    ]
    named = {line["file"]: line["terms"] for line in lines if "terms" in line}
    engine, vad = load_engine(arguments.engine), load_silero()
    results: dict[str, object] = {}
    for ratio_db in (None, *arguments.noise):
        title = "as recorded" if ratio_db is None else f"noise {ratio_db:g} dB below speech"
        made = [case for case in cases(engine, vad, spoken, named, ratio_db) if case.segments]
        sums = measure(engine, made, named, arguments.weight)
        show(f"Terms, {title}: {len(made)} recordings", sums)
        results[title] = {"terms": {case.name: case.terms for case in made}, **as_json(sums)}
    write("bias", arguments, results)


if __name__ == "__main__":
    main()
