"""Tables and JSON of the bench of diarization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conversations import COLLAR_S, CONVENTIONS, PATHS, Score
from diarization import DiarizationErrors, calibration_error, reliability
from report import console
from rich import box
from rich.table import Table
from scoring import WordErrors, percent


@dataclass(frozen=True, slots=True)
class Total:
    """All conversations of a group on one path. `errors` as in `Score`; `right` in percent of the judged words."""

    group: str
    path: str
    conversations: int
    as_many: int
    """Conversations in which as many speakers were found as there are."""
    more: int
    fewer: int
    errors: dict[str, DiarizationErrors]
    judged: int
    right: float
    concatenated: WordErrors
    unattributed: WordErrors


def totals(scores: Sequence[Score]) -> list[Total]:
    """One for each group and path, in the order of the scores."""
    groups = dict.fromkeys(each.group for each in scores)
    picked = (
        [each for each in scores if each.group == group and each.path == path] for group in groups for path in PATHS
    )
    return [_total(some) for some in picked if some]


def _total(scores: Sequence[Score]) -> Total:
    right = [good for each in scores for _, good in each.judged]
    return Total(
        scores[0].group,
        scores[0].path,
        len(scores),
        sum(each.found == each.people for each in scores),
        sum(each.found > each.people for each in scores),
        sum(each.found < each.people for each in scores),
        {
            name: sum((each.errors[name] for each in scores if each.errors), DiarizationErrors())
            for name in CONVENTIONS
            if any(each.errors for each in scores)
        },
        len(right),
        percent(sum(right), len(right)),
        sum((each.concatenated for each in scores), WordErrors()),
        sum((each.unattributed for each in scores), WordErrors()),
    )


def confidences(scores: Iterable[Score]) -> list[tuple[float, bool]]:
    """Of each word with a confidence of its speaker: that, and whether the speaker is right."""
    return [(confidence, right) for each in scores for confidence, right in each.judged if confidence is not None]


def show(scores: Sequence[Score]) -> None:
    """Print the tables: words, time, and confidences."""
    found = totals(scores)
    console.print(_words(found))
    if any(each.errors for each in found):
        console.print(_time(found))
    if judged := confidences(scores):
        console.print(_calibration(judged))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        is_text = column in ("group", "path")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=is_text)
    return table


def _words(found: Sequence[Total]) -> Table:
    table = _table(
        "Speakers found, and words with the right speaker",
        *("group", "path", "as many, more, fewer", "words", "right %", "cpWER", "WER"),
    )
    for each in found:
        known = each.concatenated.words
        table.add_row(
            each.group,
            each.path,
            f"{each.as_many}, {each.more}, {each.fewer}",
            str(each.judged),
            f"{each.right:.1f}",
            *(f"{errors.percent:.1f}" if known else "" for errors in (each.concatenated, each.unattributed)),
        )
    return table


def _time(found: Sequence[Total]) -> Table:
    table = _table(
        f"Diarization error rate, % of speech; with a collar of {COLLAR_S:g} s; without overlaps; both",
        *("group", "path", "DER", "missed", "false", "wrong", "collar", "single", "both"),
    )
    for each in found:
        if each.errors:
            plain, *others = (each.errors[name] for name in CONVENTIONS)
            parts = (plain.missed_s, plain.false_alarm_s, plain.confused_s)
            rates = [plain.percent, *map(plain.share, parts), *(errors.percent for errors in others)]
            table.add_row(each.group, each.path, *(f"{rate:.1f}" for rate in rates))
    return table


def _calibration(judged: Sequence[tuple[float, bool]]) -> Table:
    title = f"speaker_confidence; expected calibration error {calibration_error(judged):.3f}"
    table = _table(title, "from", "to", "words", "mean confidence", "right")
    for each in reliability(judged):
        edges = (f"{value:.1f}" for value in (each.low, each.high))
        table.add_row(*edges, str(each.count), *(f"{value:.3f}" for value in (each.confidence, each.right)))
    return table


def content(scores: Sequence[Score]) -> dict[str, Any]:
    """What the JSON holds: totals by group, every conversation, and the confidences by bins."""
    judged = confidences(scores)
    return {
        "totals": [
            asdict(each) | {"der_percent": {name: errors.percent for name, errors in each.errors.items()}}
            for each in totals(scores)
        ],
        "conversations": [asdict(each) for each in scores],
        "confidence": {
            "calibration_error": calibration_error(judged),
            "bins": [asdict(each) for each in reliability(judged)],
        },
    }
