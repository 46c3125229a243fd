"""Tables and JSON of the bench of diarization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conversations import CONVENTIONS, PATHS, Score
from diarization import Bin, DiarizationErrors, calibration_error, reliability
from report import console
from rich.table import Table
from scoring import WordErrors


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
        100 * sum(right) / len(right) if right else float("nan"),
        sum((each.concatenated for each in scores), WordErrors()),
        sum((each.unattributed for each in scores), WordErrors()),
    )


def confidences(scores: Iterable[Score]) -> list[tuple[float, bool]]:
    """Of each word with a confidence of its speaker: that, and whether the speaker is right."""
    return [(confidence, right) for each in scores for confidence, right in each.judged if confidence is not None]


def show(scores: Sequence[Score]) -> None:
    """Print the table of errors, and the table of confidences."""
    table = Table(title="Diarization error rate, % of speech; words with the right speaker", title_justify="left")
    columns = ["group", "path", "speakers: right, more, fewer", *CONVENTIONS, "missed, false, confused", "words right"]
    for column in [*columns, "judged", "cpWER (WER)"]:
        table.add_column(column, justify="left" if column in ("group", "path") else "right")
    for each in totals(scores):
        plain = each.errors.get("no collar")
        table.add_row(
            each.group,
            each.path,
            f"{each.as_many}, {each.more}, {each.fewer}",
            *(f"{each.errors[name].percent:.1f}" if each.errors else "" for name in CONVENTIONS),
            _parts(plain) if plain is not None else "",
            f"{each.right:.1f}",
            str(each.judged),
            f"{each.concatenated.percent:.1f} ({each.unattributed.percent:.1f})" if each.concatenated.words else "",
        )
    console.print(table)
    if judged := confidences(scores):
        console.print(_calibration(judged))


def _parts(errors: DiarizationErrors) -> str:
    return ", ".join(f"{errors.share(part):.1f}" for part in (errors.missed_s, errors.false_alarm_s, errors.confused_s))


def _calibration(judged: Sequence[tuple[float, bool]]) -> Table:
    title = f"speaker_confidence; expected calibration error {calibration_error(judged):.3f}"
    table = Table(title=title, title_justify="left")
    for column in ("from", "to", "words", "mean confidence", "right"):
        table.add_column(column, justify="right")
    for each in reliability(judged):
        table.add_row(*(f"{value:.1f}" for value in (each.low, each.high)), str(each.count), *_pair(each))
    return table


def _pair(each: Bin) -> tuple[str, str]:
    return f"{each.confidence:.3f}", f"{each.right:.3f}"


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
