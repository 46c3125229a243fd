"""Finds spoken e-mail and web addresses and writes them: `sarah.lee@gmail.com`, `www.example.org/docs`.

No library parses spoken addresses; tables here have the words for each sign. `at` makes an e-mail address only if the
words around it are about mail, or if the domain is a mail provider's: `look at example dot com` is a page.
"""

from __future__ import annotations

import re

from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.rendering import Entity, EntityKind, entity
from caesura.formatting.spoken_tokens import word_set

TOPS = word_set(
    "com org net edu gov io ai dev app co uk us ca de fr eu es it nl ch at au info biz me tv tech xyz online store "
    "site cloud"
)
_JOINERS = {"dot": ".", "underscore": "_", "dash": "-", "hyphen": "-", "plus": "+"}
_PROVIDERS = word_set(
    "gmail yahoo hotmail outlook icloud aol proton protonmail gmx live msn comcast fastmail googlemail"
)
_MAIL = word_set(
    "email e-mail emails mail address send sent write reach reply contact ping forward cc invoice username"
)
_ANNOUNCE = frozenset({"is", "it's", "its", "that's"})
_LEADS = word_set("is it's its that's to at me")
_NO_NAME = word_set(
    "a an the is it it's its that's this that to at me us them him her you i my your our and or on in for of up out "
    "here there available online live work works working email mail address page site website find found visit look "
    "looked looks looking go went see saw check get sign signed signup log logged login arrived"
)
_CHAINS = frozenset({"dot", "slash", "underscore"})
_LABEL = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def addresses(parsed: ParsedWords) -> list[Entity]:
    """All addresses, in order."""
    if not any(token.text == "dot" or _HOST.fullmatch(token.text) for token in parsed.tokens):
        return []
    found: list[Entity] = []
    at = 0
    while at < parsed.size:
        here = _mail(parsed, at) or _page(parsed, at)
        if here is None or (found and here.first < found[-1].last):
            at += 1
        else:
            found.append(here)
            at = here.last
    return found


def incomplete_address_at(parsed: ParsedWords) -> int:
    """First token of an address that is incomplete at the end; the number of tokens when none is."""
    size = parsed.size
    last, before = parsed.text(size - 1), parsed.text(size - 2)
    if last in _CHAINS or (before == "dot" and (last not in TOPS or last == "co")):
        return _chain(parsed, size - (1 if last in _CHAINS else 2))
    for at in (size - 1, size - 2):
        local = _local(parsed, at) if parsed.text(at) == "at" and _speaks_of_mail(parsed, at) else None
        if local is not None:
            return local[1]
    return size


def _chain(parsed: ParsedWords, at: int) -> int:
    """First token of the address to which the spoken sign at `at` belongs."""
    while at > 0 and parsed.text(at - 1) not in _NO_NAME:
        sign = parsed.text(at - 2)
        at -= 1
        if sign == "at" and (local := _local(parsed, at - 1)) is not None:
            return local[1]
        if sign in _JOINERS or sign in _CHAINS:
            at -= 1
        elif not (len(parsed.text(at)) == 1 and len(sign) == 1):
            return at
    return at


def _mail(parsed: ParsedWords, at: int) -> Entity | None:
    """E-mail address whose spoken `at` is the token at `at`."""
    if parsed.text(at) != "at" or parsed.separated(at) or parsed.separated(at + 1):
        return None
    host = _domain(parsed, at + 1)
    local = _local(parsed, at) if host is not None else None
    if host is None or local is None:
        return None
    name, first = local
    provider = host[0].split(".")[0] in _PROVIDERS
    if not provider and not _speaks_of_mail(parsed, at) and not any(sign in name for sign in "._+"):
        led = first == 0 or parsed.break_before(first) or parsed.text(first - 1) in _LEADS
        if not led:
            return None
    return entity(EntityKind.ADDRESS, first, host[1], f"{name}@{host[0]}")


def _speaks_of_mail(parsed: ParsedWords, at: int) -> bool:
    return not _MAIL.isdisjoint(parsed.preceding(at, 10))


def _local(parsed: ParsedWords, at: int) -> tuple[str, int] | None:
    """Local part that ends before the spoken `at`, and its first token."""
    end, first, name = at, at, ""
    while first > 0:
        label, begins = _label_back(parsed, first, joined=bool(name))
        if not label or (label in _NO_NAME and not name):
            break
        name, first = label + name, begins
        sign = _JOINERS.get(parsed.text(first - 1))
        if sign is None or parsed.separated(first) or first - 1 <= 0:
            break
        if not _label_back(parsed, first - 1, joined=True)[0]:
            break
        name, first = sign + name, first - 1
    if name and not any(sign in name for sign in "._+-"):
        name, first = _full(parsed, name, first)
    return (name, first) if name and name[0] not in ".+-_" and first < end else None


def _full(parsed: ParsedWords, name: str, first: int) -> tuple[str, int]:
    """In `my address is john smith at` all words after `is`, three at most, are the local part."""
    for count in (1, 2):
        words = parsed.preceding(first, count)
        lead = parsed.text(first - count - 1)
        if any(not word.isalpha() or word in _NO_NAME for word in words) or any(
            parsed.separated(k) for k in range(first - count + 1, first + 1)
        ):
            break
        if lead in _ANNOUNCE:
            return "".join(reversed(words)) + name, first - count
    return name, first


def _label_back(parsed: ParsedWords, end: int, *, joined: bool) -> tuple[str, int]:
    """Label that ends before `end` (a word, spelled letters, or a word with digits after it) and its first token."""
    if parsed.separated(end):
        return "", end
    label, at = "", end
    while at > 0 and not (label and parsed.separated(at)):
        amount = parsed.ending_at(at)
        text = parsed.text(at - 1)
        if amount is not None and not amount.ordinal and amount.digits.isdigit():
            label, at = amount.digits + label, amount.first
        elif len(text) == 1 and text.isalpha() and (joined or text != "a" or parsed.text(at - 2) not in _NO_NAME):
            label, at = text + label, at - 1
        elif _LABEL.fullmatch(text) and text not in _NO_NAME and (not label or label.isdigit()):
            return text + label, at - 1
        else:
            break
        if label.isdigit() and joined and parsed.text(at - 1) in _JOINERS:
            break
    return label, at


def _domain(parsed: ParsedWords, at: int) -> tuple[str, int] | None:
    """Host that begins at `at`, printed or spoken, and the token after it."""
    text = parsed.text(at)
    if _HOST.fullmatch(text) and text.rsplit(".", 1)[1] in TOPS:
        return _tops(parsed, text, at + 1)
    label, at = _label(parsed, at)
    host = label
    while label and parsed.text(at) == "dot" and not parsed.separated(at):
        label, following = _label(parsed, at + 1)
        if not label or parsed.separated(at + 1):
            break
        host, at = f"{host}.{label}", following
        if label in TOPS and not (parsed.text(at) == "dot" and parsed.text(at + 1) in TOPS):
            break
        if parsed.separated(at):
            break
    return (host, at) if "." in host and host.rsplit(".", 1)[1] in TOPS else None


def _tops(parsed: ParsedWords, host: str, at: int) -> tuple[str, int]:
    """Host with a second top-level part that follows: `acme.co` and then `dot uk`."""
    if parsed.text(at) == "dot" and parsed.text(at + 1) in TOPS and not parsed.separated(at):
        return f"{host}.{parsed.text(at + 1)}", at + 2
    return host, at


def _label(parsed: ParsedWords, at: int) -> tuple[str, int]:
    """Label of a host from `at` on: a word, spelled letters, or digits; `dash` joins two."""
    label = ""
    while at < parsed.size and not (label and parsed.separated(at)):
        amount = parsed.amounts.get(at)
        text = parsed.text(at)
        if amount is not None and amount.digits.isdigit() and not amount.ordinal:
            label, at = label + amount.digits, amount.last
        elif len(text) == 1 and text.isalpha():
            label, at = label + text, at + 1
        elif text in {"dash", "hyphen"} and label and _LABEL.fullmatch(parsed.text(at + 1)):
            label, at = f"{label}-{parsed.text(at + 1)}", at + 2
        elif not label and _LABEL.fullmatch(text) and text not in _JOINERS:
            label, at = text, at + 1
            if parsed.text(at) in {"dash", "hyphen"}:
                continue
            break
        else:
            break
    return label, at


def _page(parsed: ParsedWords, at: int) -> Entity | None:
    """Web address that begins at `at`."""
    first, scheme = at, ""
    if parsed.text(at) in {"http", "https"} and [parsed.text(at + k) for k in (1, 2, 3)] == [
        "colon",
        "slash",
        "slash",
    ]:
        scheme, at = f"{parsed.text(at)}://", at + 4
    text = parsed.text(at)
    # `the dot com bubble` has no name before its dot.
    if not text or (not scheme and text in _NO_NAME) or not _begins_page(parsed, at):
        return None
    host = _domain(parsed, at)
    if host is None:
        return None
    path, end = _path(parsed, host[1])
    if end - first == 1:
        return None
    return entity(EntityKind.ADDRESS, first, end, f"{scheme}{host[0]}{path}")


def _begins_page(parsed: ParsedWords, at: int) -> bool:
    text = parsed.text(at)
    spelled = len(text) == 1 or at in parsed.amounts
    return spelled or "." in text or parsed.text(at + 1) in {"dot", "dash", "hyphen"}


def _path(parsed: ParsedWords, at: int) -> tuple[str, int]:
    """Path from `at` on, spoken as `slash docs` or `forward slash docs`, and the token after it."""
    path = ""
    while not parsed.separated(at):
        begins = at + 1 if parsed.text(at) == "forward" else at
        if parsed.text(begins) != "slash":
            break
        label, end = _label(parsed, begins + 1)
        if not label or parsed.separated(begins + 1):
            break
        path, at = f"{path}/{label}", end
    return path, at
