"""Query parameters in; everything a stream was asked to do out, or the sentence that refuses it.

Every documented parameter has a row in one of two tables. What we honour is read into `ListenOptions`;
what we do not honour is let through only where it asks for nothing (`false`, defaults, empty), because
to ignore it would change what the client gets. Names in neither table are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caesura.errors import BadParameter, NoSuchModel, NotForLive

DEFAULT_MODEL = "nova-3"
DEFAULT_ENDPOINTING_MS = 10
ENCODINGS = ("linear16", "linear32", "mulaw", "alaw", "flac", "opus", "ogg-opus")
"""What `encoding` may be; none at all means a container that says for itself."""

LONGEST_TAG = 128
LONGEST_EXTRA = 2048


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What one stream was asked to do, with the defaults of the wire."""

    model: str = DEFAULT_MODEL
    """As asked; which engine runs is told by `model_info`."""
    language: str = "en"
    """As asked, a tag that the engine understands."""
    version: str = "latest"
    encoding: str | None = None
    """Of `ENCODINGS`; None: the audio comes in a container."""
    sample_rate: int | None = None
    """Hz; always there for an encoding without a header of its own."""
    channels: int = 1
    """Interleaved channels; means something only with `encoding`."""
    multichannel: bool = False
    """Each channel is transcribed apart."""
    interim_results: bool = False
    endpointing_ms: int | None = DEFAULT_ENDPOINTING_MS
    """Silence that ends an utterance; None: none does."""
    utterance_end_ms: int | None = None
    """Gap between words that is announced by UtteranceEnd; None: off."""
    vad_events: bool = False
    punctuate: bool = False
    """Asked for by `punctuate` or by `smart_format`."""
    filler_words: bool = False
    no_delay: bool = False
    tags: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    mip_opt_out: bool = False


def parse_options(
    query: Sequence[tuple[str, str]],
    *,
    languages: Sequence[str],
    default_model: str = DEFAULT_MODEL,
    custom_models: Collection[str] = (),
    versions: Collection[str] = (),
) -> ListenOptions:
    """What the decoded pairs of a query string ask for.

    Args:
        query: Names and values in their order. A parameter that takes one value may be repeated with the
            same value; two different ones are refused rather than one of them quietly dropped.
        languages: Primary subtags that the engine understands; each stands for all its regions.
        default_model: What a query without `model` asks for.
        custom_models: Names of models beside the hosted service's own and `default`.
        versions: Model versions that can be asked for beside `latest`.

    Raises:
        NoSuchModel: The model, its version or its language is not to be had here.
        NotForLive: The model hears recordings only.
        BadParameter: Any other value that is wrong or not supported.
    """
    values: dict[str, Any] = {"model": default_model}
    seen: dict[str, str] = {}
    for name, value in query:
        if name in _HONOURED:
            _read(name, value, values, seen)
        elif name in _NOT_HONOURED:
            _refuse_unless_harmless(name, value)
    for name, gather in (("tags", _tags), ("extra", dict)):
        if name in values:
            values[name] = gather(values[name])
    values["punctuate"] = values.pop("smart_format", False) or values.get("punctuate", False)
    options = ListenOptions(**values)
    _check_encoding(options)
    _check_model(options, custom_models, versions)
    _check_language(options.language, languages)
    return options


def _read(name: str, value: str, values: dict[str, Any], seen: dict[str, str]) -> None:
    row = _HONOURED[name]
    try:
        read = row.read(value)
    except ValueError:
        raise _invalid(name, value, row.right) from None
    if row.repeats:
        values.setdefault(row.target, []).append(read)
    elif seen.setdefault(name, value) == value:
        values[row.target] = read
    else:
        both = f"'{_shown(seen[name])}' and '{_shown(value)}'"
        raise BadParameter(name, value, f"'{name}' was given twice, as {both}; send it once.")


def _refuse_unless_harmless(name: str, value: str) -> None:
    row = _NOT_HONOURED[name]
    if row.harmless.fullmatch(value):
        return
    if not row.known.fullmatch(value):
        raise _invalid(name, value, row.right)
    message = f"'{name}={_shown(value)}' {row.why}; {row.instead.format(name=name)}."
    raise BadParameter(name, value, message)


def _check_encoding(options: ListenOptions) -> None:
    encoding = options.encoding or ""
    if encoding in _UNDECODED:
        message = f"'encoding={encoding}' is not supported by this server yet; send {_listed(ENCODINGS)}."
        raise BadParameter("encoding", encoding, message)
    if encoding in _HEADERLESS and options.sample_rate is None:
        message = f"'encoding={encoding}' needs 'sample_rate', for example sample_rate=16000."
        raise BadParameter("sample_rate", "", message)
    if encoding == "opus" and options.channels > 2:
        message = f"'channels={options.channels}' cannot be had with 'encoding=opus'; send channels=1 or 2."
        raise BadParameter("channels", str(options.channels), message)


def _check_model(options: ListenOptions, custom_models: Collection[str], versions: Collection[str]) -> None:
    model, version = options.model, options.version
    if model not in _MODELS and model not in custom_models:
        if model in _RECORDING_MODELS:
            message = f"'model={model}' hears recordings only, no live streams; send model=nova-3 or another."
            raise NotForLive("model", model, message)
        raise _no_such("model", model, f"send model={_listed(sorted({'nova-3', *custom_models}))}")
    if version != "latest" and version not in versions:
        raise _no_such("version", version, f"send version={_listed(['latest', *versions])}")


def _check_language(language: str, languages: Sequence[str]) -> None:
    tag = _LANGUAGE_TAG.fullmatch(language)
    if tag is None or tag["primary"].lower() not in languages:
        raise _no_such("language", language, f"send language={_listed(languages)}")


def _no_such(name: str, value: str, instead: str) -> NoSuchModel:
    found = f"'{name}={_shown(value)}'"
    message = f"Bad Request: No such model/language/tier combination found. {found} is not to be had here; {instead}."
    return NoSuchModel(name, value, message)


def _invalid(name: str, value: str, right: str) -> BadParameter:
    return BadParameter(name, value, f"Invalid '{name}' value of '{_shown(value)}'.", f"'{name}' takes {right}.")


def _listed(choices: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def _shown(value: str) -> str:
    # Fit for a header: printable ASCII, and short.
    printable = "".join(char for char in value[:_SHOWN] if char.isprintable())
    ascii_only = printable.encode("ascii", "backslashreplace").decode("ascii")
    whole = len(value) <= _SHOWN and len(ascii_only) <= _SHOWN
    return ascii_only if whole else ascii_only[:_SHOWN] + "..."


# ---- how values are read; a ValueError is all that is said about a bad one ----


def _boolean(value: str) -> bool:
    return _one_of("true", "false")(value) == "true"


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError
        return value

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not _DIGITS.fullmatch(value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return read


def _endpointing(value: str) -> int | None:
    if value in ("true", "false"):
        return DEFAULT_ENDPOINTING_MS if value == "true" else None
    return _whole(0, _LONGEST_ENDPOINTING_MS)(value)


def _tag(value: str) -> str:
    if len(value) > LONGEST_TAG:
        raise ValueError
    return _encodable(value)


def _tags(read: list[str]) -> tuple[str, ...]:
    # An empty tag marks nothing.
    return tuple(tag for tag in read if tag)


def _extra(value: str) -> tuple[str, str]:
    key, colon, text = value.partition(":")
    if not key or not colon or len(value) > LONGEST_EXTRA:
        raise ValueError
    return _encodable(key), _encodable(text)


def _encodable(text: str) -> str:
    # It goes out again in messages; UTF-8 carries no lone surrogates.
    return text.encode("utf-8", "replace").decode()


# ---- the tables ----

_SHOWN = 100
_DIGITS = re.compile(r"[0-9]{1,9}")
_LANGUAGE_TAG = re.compile(r"(?P<primary>[a-z]{2,3})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE | re.ASCII)
_LONGEST_ENDPOINTING_MS = 600_000
_UNDECODED = ("amr-nb", "amr-wb", "speex", "g729")
_HEADERLESS = frozenset({"linear16", "linear32", "mulaw", "alaw", "opus"})


@dataclass(frozen=True, slots=True)
class _Honoured:
    target: str
    read: Callable[[str], Any]
    right: str
    repeats: bool = False


def _flag(target: str) -> _Honoured:
    return _Honoured(target, _boolean, "true or false")


_HONOURED = {
    "model": _Honoured("model", str, "the name of a model"),
    "language": _Honoured("language", str, "a BCP-47 tag"),
    "version": _Honoured("version", str, "latest or the version of a model"),
    "encoding": _Honoured("encoding", _one_of(*ENCODINGS, *_UNDECODED), _listed(ENCODINGS)),
    "sample_rate": _Honoured("sample_rate", _whole(4000, 192_000), "whole Hz from 4000 to 192000"),
    "channels": _Honoured("channels", _whole(1, 20), "a whole number from 1 to 20"),
    "multichannel": _flag("multichannel"),
    "interim_results": _flag("interim_results"),
    "endpointing": _Honoured(
        "endpointing_ms",
        _endpointing,
        f"true, false or whole milliseconds from 0 to {_LONGEST_ENDPOINTING_MS}",
    ),
    "utterance_end_ms": _Honoured("utterance_end_ms", _whole(1000, 5000), "whole milliseconds from 1000 to 5000"),
    "vad_events": _flag("vad_events"),
    "punctuate": _flag("punctuate"),
    "smart_format": _flag("smart_format"),
    "filler_words": _flag("filler_words"),
    "no_delay": _flag("no_delay"),
    "tag": _Honoured("tags", _tag, f"up to {LONGEST_TAG} characters", repeats=True),
    "extra": _Honoured("extra", _extra, f"KEY:VALUE with up to {LONGEST_EXTRA} characters", repeats=True),
    "mip_opt_out": _flag("mip_opt_out"),
}


@dataclass(frozen=True, slots=True)
class _NotHonoured:
    # What asks for nothing, and what is a value at all: the rest of that is refused as not supported.
    harmless: re.Pattern[str]
    known: re.Pattern[str]
    right: str
    why: str
    instead: str


_NOT_YET = "is not supported by this server yet"
_RECORDINGS_ONLY = "works on recordings only, not on a live stream"
_ANYTHING = re.compile(r".*", re.DOTALL)


def _switch(why: str = _NOT_YET, known: str = "true|false", right: str = "true or false") -> _NotHonoured:
    instead = "leave it out or send {name}=false"
    return _NotHonoured(re.compile("false"), re.compile(known), right, why, instead)


def _switch_or_text(why: str = _NOT_YET) -> _NotHonoured:
    return _NotHonoured(re.compile("false|"), _ANYTHING, "", why, "leave it out or send {name}=false")


def _text(why: str = _NOT_YET) -> _NotHonoured:
    return _NotHonoured(re.compile(""), _ANYTHING, "", why, "leave it out")


def _only(harmless: str, known: str, right: str, why: str = _NOT_YET) -> _NotHonoured:
    return _NotHonoured(re.compile(harmless), re.compile(known), right, why, "leave it out")


_NOT_HONOURED = {
    # It would change what is heard or written.
    "keyterm": _text(),
    "keywords": _text(),
    "replace": _text(),
    "search": _text(),
    "redact": _switch_or_text(),
    "diarize": _switch(),
    "diarize_model": _text(),
    "detect_entities": _switch(),
    "dictation": _switch(),
    "numerals": _switch(),
    "profanity_filter": _switch(),
    # Where it would go.
    "callback": _text(),
    "callback_method": _only("(?i:post|put)", "(?i:post|put)", "POST or PUT"),
    # What the hosted service does with recordings only.
    "custom_intent": _text(_RECORDINGS_ONLY),
    "custom_intent_mode": _only("extended|strict", "extended|strict", "extended or strict"),
    "custom_topic": _text(_RECORDINGS_ONLY),
    "custom_topic_mode": _only("extended|strict", "extended|strict", "extended or strict"),
    "detect_language": _switch_or_text(_RECORDINGS_ONLY),
    "intents": _switch(_RECORDINGS_ONLY),
    "measurements": _switch(_RECORDINGS_ONLY),
    "paragraphs": _switch(_RECORDINGS_ONLY),
    "sentiment": _switch(_RECORDINGS_ONLY),
    "summarize": _switch(_RECORDINGS_ONLY, known="true|false|v1|v2", right="true, false, v1 or v2"),
    "topics": _switch(_RECORDINGS_ONLY),
    "utt_split": _only(r"[0-9]{1,9}(\.[0-9]{1,9})?", r"[0-9]{1,9}(\.[0-9]{1,9})?", "a number of seconds"),
    "utterances": _switch(_RECORDINGS_ONLY),
    # Old ones. One alternative is what there is; the rest only said how something else was done.
    "alternatives": _only("1", "[0-9]{1,9}", "a whole number"),
    "debug": _only("true|false", "true|false", "true or false"),
    "diarize_version": _NotHonoured(_ANYTHING, _ANYTHING, "", "", ""),
    "inspect_response": _only("true|false", "true|false", "true or false"),
    "tier": _only("base|enhanced|nova|nova-2|nova-3", "", "base, enhanced or nova"),
}

_DOMAINS = {
    "nova-3": "general medical",
    "nova-2": "general meeting phonecall finance conversationalai voicemail video medical drivethru automotive atc",
    "nova": "general phonecall medical",
    "enhanced": "general meeting phonecall finance",
    "base": "general meeting phonecall finance conversationalai voicemail video",
}
_MODELS = frozenset(
    {"default"}
    | set(_DOMAINS)
    | set(_DOMAINS["base"].split())
    | {f"{family}-{domain}" for family, domains in _DOMAINS.items() for domain in domains.split()}
)
_RECORDING_MODELS = frozenset(
    {"whisper"} | {f"whisper-{size}" for size in ("cloud", "tiny", "base", "small", "medium", "large")}
)
