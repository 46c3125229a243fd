"""Bench of accuracy: word errors by set and condition, hallucinated words, word start errors, latency and CPU.

    python bench/hearing.py --speech DIR --conditions DIR
    python bench/hearing.py --speech DIR --quick --engine moonshine --engine whisper:tiny.en

Each folder has recordings and manifest.jsonl (`corpus.py` has the format). Every recording is transcribed on three
paths. `live`: the server's socket, at full speed, with interims and endpointing 300. `whole`: the same recording as the
body of POST /v1/listen. `alone`: the same engine without a server and without voice activity detection, in pieces of
up to 9 s that are cut where it is quietest. Texts are normalised before they are compared (`scoring.py`). Confidence
intervals (95 %) come from resampling recordings, those of the same utterance together; sets of fewer than five
utterances have none. Latency is that of a single stream that plays part of a set in real time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from conditions import Condition, apply, conditions, sounds_without_speech
from corpus import Clip, ClipSet, find_sets, sample
from hearing_report import show, write_documents
from hearing_rows import PATHS, ClipRow, RealtimeRow, Run, SetRow
from live import Measurements, Stream, play
from load import BUNDLED, RATE, Pcm, Server, audio_frames, room_tone, run, serving
from recognition import Recognized, alone, live, whole
from report import RESULTS, above_zero, common_arguments, console, progress_bar, repeat, write
from scoring import start_errors, word_errors

from caesura.engines.base import Engine, EngineInfo
from caesura.engines.registry import engine_info, load_engine
from caesura.errors import CaesuraError

VARIABLE = "CAESURA_SPEECH"
QUICK_S, QUICK_LONGEST_S = 15.0, 40.0
QUICK_REALTIME_S = 20.0
SOUND_S, QUICK_SOUND_S = 60.0, 10.0
AT_ONCE = 2
"""Number of recordings transcribed concurrently by the server."""
PAUSE_S = 0.7
EVERYTHING = "all sets"

Transcribe = Callable[[Pcm, dict[str, str]], Awaitable[Recognized]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The measurements of one engine: the sets, and how much of each (or of all `together`) is played in real time."""

    engine: str
    sets: tuple[ClipSet, ...]
    realtime_s: float
    together: bool


def made_sounds(seconds: float) -> ClipSet:
    """A set of synthetic sounds without speech."""
    sounds = sounds_without_speech(seconds)
    clips = (Clip(name, "", "zxx", seconds, partial(np.copy, pcm)) for name, pcm in sounds.items())
    return ClipSet("made sounds", tuple(clips))


def simulated(clips: ClipSet) -> list[ClipSet]:
    """The recordings of a set under every simulated condition."""

    def changed(condition: Condition, clip: Clip) -> Clip:
        return replace(clip, load=lambda: apply(condition, clip.load()))

    made = conditions([clip.load() for clip in clips.clips])
    return [
        ClipSet(f"{clips.name}, {name}", tuple(changed(condition, clip) for clip in clips.clips))
        for name, condition in made.items()
    ]


def plan(arguments: argparse.Namespace, engine: str) -> Plan:
    """Select the sets with a language of this engine, and sample them if the arguments require it."""
    sets = find_sets(arguments.folders, engine_info(engine).languages, arguments.leave_out)
    if at_most := QUICK_S if arguments.quick else arguments.at_most:
        sets = [sample(each, at_most, QUICK_LONGEST_S if arguments.quick else at_most) for each in sets]
    sets.append(made_sounds(QUICK_SOUND_S if arguments.quick else SOUND_S))
    wanted = arguments.sets.split(",") if arguments.sets else [""]
    sets = [each for each in sets if any(name in each.name for name in wanted)]
    if dropped := [each.name for each in sets if not each.clips]:
        console.print(f"Left out, because their recordings are too long for a sample: {', '.join(dropped)}")
    sets = [each for each in sets if each.clips]
    if arguments.simulate:
        sets += [made for each in sets if each.spoken for made in simulated(each)]
    if not sets:
        raise SystemExit(f"no set is left for {engine}: see --sets, --leave-out and the languages of the recordings")
    realtime_s = min(arguments.realtime, QUICK_REALTIME_S) if arguments.quick else arguments.realtime
    return Plan(engine, tuple(sets), realtime_s, arguments.quick)


# ---- one run ----


async def measure(arguments: argparse.Namespace, planned: Plan, number: int) -> Run:
    """One run of one engine."""
    engine, info = load_engine(planned.engine), engine_info(planned.engine)
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=planned.engine, flags=flags) as server:
        with progress_bar() as progress:
            task = progress.add_task("", total=len(PATHS) * sum(each.seconds for each in planned.sets))
            advance = partial(progress.advance, task)
            rows = []
            for each in planned.sets:
                progress.update(task, description=f"{info.name}, run {number}: {each.name}")
                rows.append(await measure_set(server, engine, info, each, advance))
        realtime = [
            await measure_realtime(server, each, planned.realtime_s, request_parameters(each.clips, info))
            for each in _played(planned)
        ]
    return Run(info.name, tuple(rows), tuple(realtime))


def _played(planned: Plan) -> list[ClipSet]:
    """The sets to be played in real time."""
    spoken = [each for each in planned.sets if each.spoken]
    if not planned.realtime_s:
        return []
    return [ClipSet(EVERYTHING, tuple(clip for each in spoken for clip in each.clips))] if planned.together else spoken


def request_parameters(clips: Sequence[Clip], info: EngineInfo) -> dict[str, str]:
    """The parameters of a request for these recordings: their language, if the engine has several."""
    spoken = {clip.language for clip in clips if clip.text}
    return {"language": spoken.pop()} if len(spoken) == 1 and len(info.languages) > 1 else {}


async def measure_set(
    server: Server, engine: Engine, info: EngineInfo, clips: ClipSet, advance: Callable[[float], None]
) -> SetRow:
    """Transcribe all recordings of a set on the three paths, one path after the other."""

    async def on_engine(pcm: Pcm, parameters: dict[str, str]) -> Recognized:
        return await asyncio.to_thread(alone, engine, pcm, parameters.get("language"))

    async def streamed(pcm: Pcm, parameters: dict[str, str]) -> Recognized:
        return await live(server.url, pcm, {"endpointing": "300", **parameters})

    async def posted(pcm: Pcm, parameters: dict[str, str]) -> Recognized:
        return await whole(server.url, pcm, parameters)

    requests = [(clip.load(), request_parameters([clip], info)) for clip in clips.clips]
    paths: dict[str, tuple[Transcribe, int]] = {
        "live": (streamed, AT_ONCE),
        "whole": (posted, AT_ONCE),
        "alone": (on_engine, 1),
    }
    found: dict[str, list[Recognized]] = {}
    cpu: dict[str, float] = {}
    for path, (transcribe, at_once) in paths.items():
        before = _cpu_s(server, path)
        found[path] = await _each(requests, transcribe, at_once, advance)
        cpu[path] = (_cpu_s(server, path) - before) / clips.seconds
    rows = (_scored(clip, {path: each[at] for path, each in found.items()}) for at, clip in enumerate(clips.clips))
    return SetRow(clips.name, tuple(rows), cpu)


def _cpu_s(server: Server, path: str) -> float:
    """CPU seconds so far of the transcribing processes: this one, or those of the server; nan if unknown."""
    if path == "alone":
        return time.process_time()
    front = server.front()
    return front.cpu_s + sum(worker.cpu_s for worker in server.workers()) if front else float("nan")


def _scored(clip: Clip, found: dict[str, Recognized]) -> ClipRow:
    return ClipRow(
        clip.name,
        clip.utterance,
        clip.text,
        clip.seconds,
        {path: each.text for path, each in found.items()},
        {path: word_errors(clip.text, each.text, clip.language) for path, each in found.items()},
        {path: start_errors(clip.word_starts, each.word_starts, clip.language) for path, each in found.items()},
    )


async def _each(
    requests: Sequence[tuple[Pcm, dict[str, str]]],
    transcribe: Transcribe,
    at_once: int,
    advance: Callable[[float], None],
) -> list[Recognized]:
    limit = asyncio.Semaphore(at_once)

    async def one(pcm: Pcm, parameters: dict[str, str]) -> Recognized:
        async with limit:
            recognized = await transcribe(pcm, parameters)
        advance(len(pcm) / RATE)
        return recognized

    return await asyncio.gather(*(one(pcm, parameters) for pcm, parameters in requests))


async def measure_realtime(server: Server, clips: ClipSet, seconds: float, parameters: dict[str, str]) -> RealtimeRow:
    """Play recordings of a set in real time as one stream, with pauses between them."""
    parts, pause = [], room_tone(PAUSE_S)
    for clip in sample(clips, seconds, float("inf")).clips:
        parts += [clip.load()[: round(seconds * RATE)], pause]
    pcm = np.concatenate(parts)[: round(seconds * RATE)]
    frames = audio_frames(pcm)
    length = len(pcm) / RATE
    measured = Measurements()
    stream = Stream(frames, measured)
    await stream.open(server.url, {"interim_results": "true", "endpointing": "300", **parameters})
    used = await play(server, [stream], length, f"in real time: {clips.name}")
    if measured.broken:
        raise SystemExit("the real-time stream did not end normally")
    before, after = used.workers
    workers = sum(late.cpu_s - early.cpu_s for early, late in zip(before, after, strict=False))
    front = used.front[1].cpu_s - used.front[0].cpu_s if used.front else float("nan")
    return RealtimeRow(
        clips.name,
        length,
        tuple(measured.cursor),
        tuple(measured.final),
        tuple(measured.tail),
        front / used.wall_s,
        workers / used.wall_s if used.front else float("nan"),
    )


# ---- the command ----


def folders() -> list[Path]:
    """The folders named by the environment variable, or the bundled recordings."""
    return [Path(each) for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each] or [BUNDLED]


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine", several=True)
    parser.add_argument(
        "--speech",
        "--conditions",
        dest="folders",
        type=Path,
        action="append",
        metavar="DIR",
        help=f"folder with manifest.jsonl and its recordings; may be repeated (default: those of {VARIABLE}, bundled)",
    )
    parser.add_argument("--sets", metavar="NAMES", help="only sets whose names contain one of these, by commas")
    parser.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="PATTERN",
        help="file names to leave out, as *wrong*; may be repeated",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"a sample of {QUICK_S:g} s of each set; about two minutes"
    )
    parser.add_argument(
        "--at-most", type=above_zero(float), metavar="SECONDS", help="a sample of that length of each set"
    )
    parser.add_argument(
        "--simulate", action="store_true", help="also under simulated conditions: telephone, noise, room"
    )
    parser.add_argument(
        "--realtime",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="of each set, to measure latency and CPU; 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures", type=Path, default=RESULTS, metavar="DIR", help="folder for the chart (default: bench/results)"
    )
    arguments = parser.parse_args()
    arguments.folders = arguments.folders or folders()
    arguments.engine = arguments.engine or ["moonshine"]
    try:
        results = [measure_engine(arguments, engine) for engine in arguments.engine]
    except CaesuraError as error:
        sys.exit(str(error))
    write("hearing", arguments, {"engines": results})


def measure_engine(arguments: argparse.Namespace, engine: str) -> dict[str, object]:
    """Run the bench on one engine, and show and write the median run. Returns all runs, for JSON."""
    planned = plan(arguments, engine)
    runs = repeat(arguments.runs, lambda number: run(measure(arguments, planned, number)))
    # The median run by errors of the live path, so that its rows belong together.
    shown = sorted(runs, key=lambda each: each.total("live").total)[len(runs) // 2]
    show(shown, runs)
    write_documents(shown, arguments.pictures)
    return {"engine": engine, "runs": [each.as_json() for each in runs]}


if __name__ == "__main__":
    main()
