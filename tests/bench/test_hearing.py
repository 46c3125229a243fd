from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import hearing
import hearing_report
import numpy as np
import pytest
from conditions import sounds_without_speech
from corpus import Clip, ClipSet
from hearing import made_sounds, plan
from hearing_report import (
    cpu_table,
    hallucination_table,
    markdown,
    picture,
    realtime_table,
    single_word_table,
    start_table,
    word_error_table,
    write_documents,
)
from hearing_rows import PATHS, ClipRow, RealtimeRow, Run, SetRow
from load import BUNDLED, RATE, Pcm, Server
from recognition import Recognized
from rich.console import Console
from scoring import start_errors, word_errors

from caesura.engines.registry import engine_info

ROOT = Path(__file__).parents[2]


def clip(name: str, reference: str, *texts: str) -> ClipRow:
    """A recording with its transcripts on the three paths, each word a second after the other, 20 ms late."""
    made = dict(zip(PATHS, texts, strict=True))
    starts = [(word, float(at)) for at, word in enumerate(reference.split())]
    late = {path: [(word, at + 0.02) for at, word in enumerate(text.split())] for path, text in made.items()}
    return ClipRow(
        name,
        name,
        reference,
        30.0,
        made,
        {path: word_errors(reference, text) for path, text in made.items()},
        {path: start_errors(starts, late[path]) for path in PATHS},
    )


CPU = {"live": 0.1, "whole": 0.04, "alone": 0.03}
SPOKEN = SetRow(
    "read", (clip("a", "the cat sat", "the cat", "the cat sat", "a cat sat"), clip("b", "yes", "", "yes", "yes")), CPU
)
SILENT = SetRow("sounds", (clip("hum", "", "thank you", "", "you"),), dict.fromkeys(PATHS, 0.01))
RUN = Run("scripted", (SPOKEN, SILENT), (RealtimeRow("read", 20.0, (0.1, 0.2), (0.05,), (0.1,), 0.01, 0.1),))


def printed(table: object) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_errors_are_summed_by_path() -> None:
    assert [SPOKEN.errors(path).percent for path in PATHS] == [50.0, 0.0, 25.0]
    assert SPOKEN.difference("live", "whole")[0] == 50.0


def test_hallucinated_words_are_no_part_of_the_error_rate() -> None:
    """They are counted per minute: two words in half a minute are four."""
    assert RUN.total("live") == SPOKEN.errors("live")
    figures = [part for part in printed(hallucination_table(RUN)).split("hum")[1].split() if part[0].isdigit()]
    assert figures == ["30", "4.0", "0.0", "2.0"]


def test_recordings_of_one_utterance_are_resampled_together() -> None:
    clips = tuple(clip(str(at), "the cat sat", "the cat", "the cat sat", "the cat sat") for at in range(8))
    assert SetRow("apart", clips, CPU).interval("live") is not None
    twice = tuple(replace(each, utterance=str(at // 2)) for at, each in enumerate(clips))
    assert SetRow("together", twice, CPU).interval("live") is None, "four utterances are too few"
    assert SetRow("together", twice, CPU).difference("live", "whole")[1] is None


def test_cpu_is_shown_by_path_and_weighted_by_length() -> None:
    lines = markdown(cpu_table(RUN)).splitlines()
    assert lines[4] == "| read | 0.100 | 0.040 | 0.030 |"
    assert lines[-1] == "| all | 0.070 | 0.030 | 0.023 |"


def test_recordings_of_one_word_are_counted() -> None:
    [row] = [line for line in markdown(single_word_table(RUN)).splitlines() if line.startswith("| read")]
    assert row == "| read | 1 | 0 | 1 | 1 | 0 (0 %) |"


def test_word_starts_are_measured_where_times_are_known() -> None:
    assert SPOKEN.start_error_s("live", 0.9) == pytest.approx(0.02)
    assert "20" in printed(start_table(RUN))


def test_the_tables_have_a_row_for_each_set_with_speech() -> None:
    table = printed(word_error_table(RUN))
    assert "read" in table
    assert "sounds" not in table
    assert "50.0" in table
    assert "0 %" in printed(single_word_table(RUN))
    assert "50" in printed(realtime_table(RUN))


def test_the_picture_has_a_bar_for_each_path_of_each_set() -> None:
    bars = [each for each in ElementTree.fromstring(picture(RUN)).iter() if each.get("class") == "bar"]
    assert len(bars) == 2 * len(PATHS)


def test_results_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(RUN.as_json()))["sums"][0]["live"]["deletions"] == 2


def test_a_table_is_written_as_markdown() -> None:
    lines = markdown(hallucination_table(RUN)).splitlines()
    assert lines[2:] == [
        "| recording | seconds | live | whole file | engine alone |",
        "|---|---|---|---|---|",
        "| hum | 30 | 4.0 | 0.0 | 2.0 |",
    ]


def test_documents_are_named_by_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_report, "RESULTS", tmp_path / "results")
    write_documents(RUN, tmp_path / "pictures")
    assert (tmp_path / "results" / "hearing-scripted.md").read_text().count("| read |") == 5
    assert (tmp_path / "pictures" / "hearing-scripted.svg").is_file()


# ---- what is measured ----


@pytest.fixture(autouse=True, scope="module")
def _sounds_made_once() -> Iterator[None]:
    """The synthetic sounds are always the same, and take 0.8 s to make."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(hearing, "sounds_without_speech", cache(sounds_without_speech))
        yield


def given(**changed: object) -> argparse.Namespace:
    usual = {"folders": [BUNDLED], "leave_out": [], "sets": None, "quick": False, "at_most": None, "simulate": False}
    return argparse.Namespace(**{**usual, "realtime": 20.0, **changed})


def test_without_flags_everything_is_measured() -> None:
    planned = plan(given(), "scripted")
    assert [each.name for each in planned.sets] == [BUNDLED.name, "made sounds"]
    assert not planned.together


def test_sets_are_chosen_by_their_names() -> None:
    assert [each.name for each in plan(given(sets="sounds"), "scripted").sets] == ["made sounds"]


def test_sets_that_do_not_exist_are_refused() -> None:
    with pytest.raises(SystemExit, match="no set is left"):
        plan(given(sets="opera"), "scripted")


def test_a_quick_run_is_short() -> None:
    planned = plan(given(quick=True), "scripted")
    assert all(each.seconds <= 80 for each in planned.sets)
    assert planned.together


def test_a_set_too_long_for_a_sample_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan(given(at_most=1.0), "scripted")
    assert [each.name for each in planned.sets] == ["made sounds"]
    assert BUNDLED.name in capsys.readouterr().out


def test_conditions_are_simulated_for_sets_with_speech() -> None:
    planned = plan(given(simulate=True, leave_out=["jfk*", "lv*"]), "scripted")
    names = [each.name for each in planned.sets]
    assert f"{BUNDLED.name}, telephone" in names
    assert not any(name.startswith("made sounds, ") for name in names)
    plain, made = (each for each in planned.sets if each.name in (BUNDLED.name, f"{BUNDLED.name}, telephone"))
    assert plain.clips[0].text == made.clips[0].text
    assert plain.clips[0].load().max() != made.clips[0].load().max()


def test_made_sounds_are_as_long_as_they_say() -> None:
    assert all(clip.load().size == round(clip.seconds * RATE) for clip in made_sounds(1.5).clips)


@pytest.fixture
def without_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, int]:
    """Paths that need no server: the live one misses a word. Returns how many recordings were at once at most."""
    most = {"at once": 0, "now": 0}
    said = Recognized("and so my fellow Americans", (("and", 0.1),))

    @asynccontextmanager
    async def serving(*_: object, **__: object) -> AsyncIterator[Server]:
        yield Server("ws://nowhere", None)

    async def live(_: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
        assert parameters["endpointing"] == "300"
        assert pcm.size
        most["now"] += 1
        most["at once"] = max(most["at once"], most["now"])
        await asyncio.sleep(0)
        most["now"] -= 1
        return Recognized("and so my fellow", ())

    async def whole(_: str, __: Pcm, parameters: dict[str, str]) -> Recognized:
        assert not parameters
        return said

    async def measure_realtime(_: Server, clips: ClipSet, seconds: float, __: dict[str, str]) -> RealtimeRow:
        return RealtimeRow(clips.name, seconds, (0.1,), (0.2,), (0.1,), 0.01, 0.1)

    for name, stub in (("serving", serving), ("live", live), ("whole", whole), ("measure_realtime", measure_realtime)):
        monkeypatch.setattr(hearing, name, stub)
    monkeypatch.setattr(hearing, "alone", lambda *_: said)
    monkeypatch.setattr(hearing_report, "RESULTS", tmp_path)
    return most


def test_a_run_has_all_recordings_on_all_paths(without_server: dict[str, int], tmp_path: Path) -> None:
    arguments = given(url=None, pid=None, workers=1, runs=2, pictures=tmp_path, leave_out=["lv*", "LJ*"])
    measured = hearing.measure_engine(arguments, "scripted")
    runs = measured["runs"]
    assert isinstance(runs, list)
    assert len(runs) == 2
    spoken, silent = runs[0]["sets"]
    assert {path: errors["deletions"] for path, errors in spoken["clips"][0]["errors"].items()} == {
        "live": 18,
        "whole": 17,
        "alone": 17,
    }
    assert silent["clips"][0]["errors"]["live"]["insertions"] == 4
    assert [row["name"] for row in runs[0]["realtime"]] == [BUNDLED.name]
    assert without_server["at once"] == hearing.AT_ONCE


def test_several_folders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hearing.VARIABLE, os.pathsep.join(["one", "two"]))
    assert hearing.folders() == [Path("one"), Path("two")]
    monkeypatch.delenv(hearing.VARIABLE)
    assert hearing.folders() == [BUNDLED]


@pytest.mark.parametrize(
    ("languages", "spoken", "parameters"),
    [
        (("en",), ["en"], {}),
        (("en", "de"), ["de", "de"], {"language": "de"}),
        (("en", "de"), ["en", "de"], {}),
    ],
)
def test_an_engine_of_several_languages_is_given_the_language(
    languages: tuple[str, ...], spoken: list[str], parameters: dict[str, str]
) -> None:
    info = replace(engine_info("scripted"), languages=languages)
    clips = [Clip("a", "yes", language, 1.0, lambda: np.zeros(1, np.int16)) for language in spoken]
    assert hearing.request_parameters(clips, info) == parameters


@pytest.mark.slow
def test_the_bench_runs_and_writes_its_documents(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "hearing.py"), "--engine", "scripted", "--quick", "--realtime", "1"]
    done = subprocess.run([*command, "--pictures", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "scripted: word errors" in done.stdout
    assert "one real-time stream" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["hearing-scripted.svg"]
