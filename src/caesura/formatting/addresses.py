"""Tokens in, e-mail and web addresses out: `sarah.lee@gmail.com`, `www.example.org/docs`.

No library reads spoken addresses; what is said for each sign is a table. `at` makes an e-mail address only where the
words around it speak of mail, or where the domain is a mail provider's: `look at example dot com` is a page.
"""

from __future__ import annotations

import re

from caesura.formatting.parsed_words import Reading
from caesura.formatting.spans import Kind, Span, span
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


def addresses(reading: Reading) -> list[Span]:
    """Every address, in order."""
    if not any(token.text == "dot" or _HOST.fullmatch(token.text) for token in reading.tokens):
        return []
    found: list[Span] = []
    at = 0
    while at < reading.size:
        here = _mail(reading, at) or _page(reading, at)
        if here is None or (found and here.first < found[-1].last):
            at += 1
        else:
            found.append(here)
            at = here.last
    return found


def unfinished(reading: Reading) -> int:
    """Where an address begins that is still being said at the end; the number of tokens when none is."""
    size = reading.size
    last, before = reading.text(size - 1), reading.text(size - 2)
    if last in _CHAINS or (before == "dot" and (last not in TOPS or last == "co")):
        return _chain(reading, size - (1 if last in _CHAINS else 2))
    for at in (size - 1, size - 2):
        local = _local(reading, at) if reading.text(at) == "at" and _speaks_of_mail(reading, at) else None
        if local is not None:
            return local[1]
    return size


def _chain(reading: Reading, at: int) -> int:
    """The first token of the address in which the sign there stands."""
    while at > 0 and reading.text(at - 1) not in _NO_NAME:
        sign = reading.text(at - 2)
        at -= 1
        if sign == "at" and (local := _local(reading, at - 1)) is not None:
            return local[1]
        if sign in _JOINERS or sign in _CHAINS:
            at -= 1
        elif not (len(reading.text(at)) == 1 and len(sign) == 1):
            return at
    return at


def _mail(reading: Reading, at: int) -> Span | None:
    """An e-mail address whose `at` stands there."""
    if reading.text(at) != "at" or reading.apart(at) or reading.apart(at + 1):
        return None
    host = _domain(reading, at + 1)
    local = _local(reading, at) if host is not None else None
    if host is None or local is None:
        return None
    name, first = local
    provider = host[0].split(".")[0] in _PROVIDERS
    if not provider and not _speaks_of_mail(reading, at) and not any(sign in name for sign in "._+"):
        led = first == 0 or reading.stopped(first) or reading.text(first - 1) in _LEADS
        if not led:
            return None
    return span(Kind.ADDRESS, first, host[1], f"{name}@{host[0]}")


def _speaks_of_mail(reading: Reading, at: int) -> bool:
    return not _MAIL.isdisjoint(reading.before(at, 10))


def _local(reading: Reading, at: int) -> tuple[str, int] | None:
    """The name that ends before the `at` there, and its first token."""
    end, first, name = at, at, ""
    while first > 0:
        label, begins = _label_back(reading, first, joined=bool(name))
        if not label or (label in _NO_NAME and not name):
            break
        name, first = label + name, begins
        sign = _JOINERS.get(reading.text(first - 1))
        if sign is None or reading.apart(first) or first - 1 <= 0:
            break
        if not _label_back(reading, first - 1, joined=True)[0]:
            break
        name, first = sign + name, first - 1
    if name and not any(sign in name for sign in "._+-"):
        name, first = _full(reading, name, first)
    return (name, first) if name and name[0] not in ".+-_" and first < end else None


def _full(reading: Reading, name: str, first: int) -> tuple[str, int]:
    """`my address is john smith at`: all words from the `is` on, three at the most, are the name."""
    for count in (1, 2):
        words = reading.before(first, count)
        lead = reading.text(first - count - 1)
        if any(not word.isalpha() or word in _NO_NAME for word in words) or any(
            reading.apart(k) for k in range(first - count + 1, first + 1)
        ):
            break
        if lead in _ANNOUNCE:
            return "".join(reversed(words)) + name, first - count
    return name, first


def _label_back(reading: Reading, end: int, *, joined: bool) -> tuple[str, int]:
    """The part of a name that ends before the token there: a word, letters one by one, a word with digits after it."""
    if reading.apart(end):
        return "", end
    label, at = "", end
    while at > 0 and not (label and reading.apart(at)):
        amount = reading.previous(at)
        text = reading.text(at - 1)
        if amount is not None and not amount.ordinal and amount.digits.isdigit():
            label, at = amount.digits + label, amount.first
        elif len(text) == 1 and text.isalpha() and (joined or text != "a" or reading.text(at - 2) not in _NO_NAME):
            label, at = text + label, at - 1
        elif _LABEL.fullmatch(text) and text not in _NO_NAME and (not label or label.isdigit()):
            return text + label, at - 1
        else:
            break
        if label.isdigit() and joined and reading.text(at - 1) in _JOINERS:
            break
    return label, at


def _domain(reading: Reading, at: int) -> tuple[str, int] | None:
    """The host that begins there, printed or spoken, and where it ends."""
    text = reading.text(at)
    if _HOST.fullmatch(text) and text.rsplit(".", 1)[1] in TOPS:
        return _tops(reading, text, at + 1)
    label, at = _label(reading, at)
    host = label
    while label and reading.text(at) == "dot" and not reading.apart(at):
        label, following = _label(reading, at + 1)
        if not label or reading.apart(at + 1):
            break
        host, at = f"{host}.{label}", following
        if label in TOPS and not (reading.text(at) == "dot" and reading.text(at + 1) in TOPS):
            break
        if reading.apart(at):
            break
    return (host, at) if "." in host and host.rsplit(".", 1)[1] in TOPS else None


def _tops(reading: Reading, host: str, at: int) -> tuple[str, int]:
    """`acme.co` and then `dot uk`."""
    if reading.text(at) == "dot" and reading.text(at + 1) in TOPS and not reading.apart(at):
        return f"{host}.{reading.text(at + 1)}", at + 2
    return host, at


def _label(reading: Reading, at: int) -> tuple[str, int]:
    """One part of a host from there: a word, letters one by one, or digits; `dash` joins two."""
    label = ""
    while at < reading.size and not (label and reading.apart(at)):
        amount = reading.amounts.get(at)
        text = reading.text(at)
        if amount is not None and amount.digits.isdigit() and not amount.ordinal:
            label, at = label + amount.digits, amount.last
        elif len(text) == 1 and text.isalpha():
            label, at = label + text, at + 1
        elif text in {"dash", "hyphen"} and label and _LABEL.fullmatch(reading.text(at + 1)):
            label, at = f"{label}-{reading.text(at + 1)}", at + 2
        elif not label and _LABEL.fullmatch(text) and text not in _JOINERS:
            label, at = text, at + 1
            if reading.text(at) in {"dash", "hyphen"}:
                continue
            break
        else:
            break
    return label, at


def _page(reading: Reading, at: int) -> Span | None:
    """A web address that begins there."""
    first, scheme = at, ""
    if reading.text(at) in {"http", "https"} and [reading.text(at + k) for k in (1, 2, 3)] == [
        "colon",
        "slash",
        "slash",
    ]:
        scheme, at = f"{reading.text(at)}://", at + 4
    text = reading.text(at)
    # `the dot com bubble` has no name before its dot.
    if not text or (not scheme and text in _NO_NAME) or not _begins_page(reading, at):
        return None
    host = _domain(reading, at)
    if host is None:
        return None
    path, end = _path(reading, host[1])
    if end - first == 1:
        return None
    return span(Kind.ADDRESS, first, end, f"{scheme}{host[0]}{path}")


def _begins_page(reading: Reading, at: int) -> bool:
    text = reading.text(at)
    spelled = len(text) == 1 or at in reading.amounts
    return spelled or "." in text or reading.text(at + 1) in {"dot", "dash", "hyphen"}


def _path(reading: Reading, at: int) -> tuple[str, int]:
    """`slash docs` and `forward slash docs` from there, as long as they go on."""
    path = ""
    while not reading.apart(at):
        begins = at + 1 if reading.text(at) == "forward" else at
        if reading.text(begins) != "slash":
            break
        label, end = _label(reading, begins + 1)
        if not label or reading.apart(begins + 1):
            break
        path, at = f"{path}/{label}", end
    return path, at
