"""Written words in; where secrets are in them, and the words with a tag in place of each secret, out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from caesura.words import Word

_SECRET = re.compile(r"\D*\d\D*\d\D*\d.*")


@dataclass(frozen=True, slots=True)
class Secret:
    """The words `first`..`last` (exclusive) are a secret of the kind `label`."""

    first: int
    last: int
    label: str


def secrets(words: Sequence[Word], kinds: Sequence[str]) -> tuple[Secret, ...]:
    """The secrets of the `kinds` in `words`: three digits or more."""
    if not kinds:
        return ()
    return tuple(Secret(at, at + 1, "REDACTED") for at, word in enumerate(words) if _SECRET.match(word.text))


def redacted(words: Sequence[Word], secrets: Sequence[Secret]) -> tuple[Word, ...]:
    """`words` with one word in place of each secret."""
    done, at = list[Word](), 0
    for secret in secrets:
        last = words[secret.last - 1]
        sign = last.text[len(last.text.rstrip(".,;:?!")) :]
        done += words[at : secret.first]
        done.append(replace(words[secret.first], text=f"[{secret.label}]{sign}", end=last.end))
        at = secret.last
    return (*done, *words[at:])
