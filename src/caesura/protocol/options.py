"""Options of a live stream or a recording, parsed from the query string and checked against the engines.

Every documented parameter has a row in `parameters`. Parameters that are honoured go into `ListenOptions`; others are
accepted only with a value that requests nothing (`false`, defaults, empty), because to ignore them would change what
the client gets. Names without a row are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caesura.errors import BadParameter
from caesura.protocol.catalogue import ANY_LANGUAGE, Catalogue
from caesura.protocol.header_text import join_choices, printable
from caesura.protocol.parameters import (
    DEFAULT_ENDPOINTING_MS,
    ENCODINGS,
    HONOURED,
    IGNORED,
    NOT_HONOURED,
    RECORDINGS,
)
from caesura.protocol.value_parsers import keyterm_tokens

__all__ = ["DEFAULT_ENDPOINTING_MS", "DEFAULT_MODEL", "ENCODINGS", "ListenOptions", "check_keyterms", "parse_options"]

DEFAULT_MODEL = "nova-3"
MOST_KEYTERM_TOKENS = 500
"""Over all of `keyterm`, counted as `keyterm_tokens` does."""


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """The options of one stream or recording, with the defaults of the wire."""

    model: str = DEFAULT_MODEL
    """As requested; `model_info` names the engine that runs."""
    language: str = "en"
    """As requested, a tag of one of the engine's languages; `multi`: detected."""
    version: str = "latest"
    encoding: str | None = None
    """Of `ENCODINGS`; None: the audio comes in a container."""
    sample_rate: int | None = None
    """Hz; never None for an encoding without a header of its own."""
    channels: int = 1
    """Interleaved channels; used only with `encoding`."""
    multichannel: bool = False
    """Each channel is transcribed separately."""
    interim_results: bool = False
    endpointing_ms: int | None = DEFAULT_ENDPOINTING_MS
    """Silence that ends an utterance; None: no endpointing."""
    utterance_end_ms: int | None = None
    """Gap between words that is announced by UtteranceEnd; None: off."""
    vad_events: bool = False
    punctuate: bool = False
    """Turned on by `punctuate`, `smart_format`, `dictation` or `paragraphs`."""
    smart_format: bool = False
    numerals: bool = False
    dictation: bool = False
    filler_words: bool = False
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()
    """Of pci, ssn, numbers and aggressive_numbers, each once."""
    replace: tuple[tuple[str, str], ...] = ()
    """Words to find and their replacement; "" deletes."""
    search: tuple[str, ...] = ()
    keyterms: tuple[str, ...] = ()
    keywords: tuple[tuple[str, float], ...] = ()
    """Words with their intensifiers."""
    diarize: bool = False
    """Turned on by `diarize` or `diarize_model`."""
    no_delay: bool = False
    tags: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    callback: str | None = field(default=None, repr=False)
    """URL that results are sent to; hidden from `repr` because it may hold a password."""
    callback_method: str = "POST"
    inspect_response: bool = False
    """With `callback`: results are sent on the connection too."""
    mip_opt_out: bool = False
    detect_language: bool | tuple[str, ...] = False
    """Whether to detect the language, or the languages among which to detect it, as requested, each once."""
    # ---- of recordings only ----
    utterances: bool = False
    utt_split_s: float = 0.8
    paragraphs: bool = False

    @property
    def engine_language(self) -> str:
        """The language that the engine must support: `multi` where it is to be detected."""
        return ANY_LANGUAGE if self.detect_language else self.language

    @property
    def detectable_languages(self) -> tuple[str, ...]:
        """The languages among which the language is detected; empty: all of the engine's."""
        return () if isinstance(self.detect_language, bool) else self.detect_language


def parse_options(
    query: Sequence[tuple[str, str]],
    *,
    catalogue: Catalogue,
    default_model: str = DEFAULT_MODEL,
    recording: bool = False,
) -> ListenOptions:
    """Parse the options of a request; `catalogue.choose` then returns an engine for them.

    Args:
        query: Decoded names and values in their order. A parameter that takes one value may be repeated with the
            same value; two different ones are refused rather than one of them quietly dropped.
        catalogue: The engines to choose from.
        default_model: The model of a query without `model`.
        recording: The request is for a recording, not for a live stream.

    Raises:
        NoSuchModel: No engine is of that model, version and language.
        NotForLive: The model is for recordings only.
        BadParameter: Any other value that is wrong or not supported.
    """
    values: dict[str, Any] = {"model": default_model}
    seen: dict[str, str] = {}
    rows = {**HONOURED, **RECORDINGS} if recording else HONOURED
    for name, value in query:
        if name in rows:
            _read(name, value, values, seen)
        elif name in NOT_HONOURED:
            _refuse_unless_harmless(name, value)
        elif name in IGNORED:
            if not IGNORED[name].known.fullmatch(value):
                raise _invalid(name, value, IGNORED[name].right)
        elif name in RECORDINGS:
            _refuse_unless_harmless_live(name, value)
    options = ListenOptions(**_completed(values))
    check_keyterms(options.keyterms)
    _check_encoding(options)
    if options.detect_language and not catalogue.detects_language:
        catalogue.check("detect_language", catalogue.offers[0])
    offer = catalogue.choose(
        options.model,
        options.version,
        options.engine_language,
        detectable=options.detectable_languages,
        recording=recording,
    )
    requested = {
        "keyterm": options.keyterms,
        "keywords": options.keywords,
        "diarize": options.diarize,
    }
    for name in (name for name, value in requested.items() if value):
        catalogue.check(name, offer)
    return options


def check_keyterms(keyterms: Sequence[str]) -> None:
    """Raises BadParameter, in the words of the wire, when they have too many tokens in all."""
    if sum(keyterm_tokens(term) for term in keyterms) > MOST_KEYTERM_TOKENS:
        message = f"Keyterm limit exceeded. The maximum number of tokens across all keyterms is {MOST_KEYTERM_TOKENS}."
        raise BadParameter("keyterm", keyterms[-1], message)


def _read(name: str, value: str, values: dict[str, Any], seen: dict[str, str]) -> None:
    row = HONOURED.get(name) or RECORDINGS[name]
    try:
        parsed = row.parse(value)
    except ValueError:
        raise _invalid(name, value, row.right) from None
    if row.most > 1:
        gathered = values.setdefault(row.target, [])
        gathered.append(parsed)
        if len(gathered) > row.most:
            message = f"'{name}' was given more than {row.most} times; send at most {row.most}."
            raise BadParameter(name, value, message)
    elif seen.setdefault(name, value) == value:
        # `diarize` and `diarize_model` have the same target; either one turns it on.
        values[row.target] = parsed if row.target != "diarize" else values.get("diarize", False) or parsed
    else:
        both = f"'{printable(seen[name])}' and '{printable(value)}'"
        raise BadParameter(name, value, f"'{name}' was given twice, as {both}; send it once.")


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of the options: tuples without empty items, and options that others imply."""
    for name in ("tags", "replace", "search", "keyterms", "keywords"):
        if name in values:
            values[name] = tuple(item for item in values[name] if item)
    if "redact" in values:
        values["redact"] = tuple(dict.fromkeys(kind for kind in values["redact"] if kind))
    if "detect_language" in values:
        values["detect_language"] = _detection(values["detect_language"])
    if "extra" in values:
        values["extra"] = dict(values["extra"])
    implying = ("punctuate", "smart_format", "dictation", "paragraphs")
    values["punctuate"] = any(values.get(name, False) for name in implying)
    return values


def _detection(given: Sequence[bool | str]) -> bool | tuple[str, ...]:
    """Whether the language is detected, or among which; values that contradict each other are refused."""
    languages = tuple(dict.fromkeys(value for value in given if isinstance(value, str) and value))
    switches = dict.fromkeys(value for value in given if isinstance(value, bool))
    requests = [*(str(switch).lower() for switch in switches), *languages[:1]]
    if len(requests) > 1:
        both = f"'{printable(requests[0])}' and '{printable(requests[1])}'"
        message = f"'detect_language' was given as {both}; send true, false, or the languages to choose from."
        raise BadParameter("detect_language", requests[1], message)
    return languages or True in switches


def _refuse_unless_harmless(name: str, value: str) -> None:
    row = NOT_HONOURED[name]
    if row.harmless.fullmatch(value):
        return
    if not row.known.fullmatch(value):
        raise _invalid(name, value, row.right)
    message = f"'{name}={printable(value)}' {row.why}; {row.instead.format(name=name)}."
    raise BadParameter(name, value, message)


def _refuse_unless_harmless_live(name: str, value: str) -> None:
    row = RECORDINGS[name]
    try:
        requested = row.parse(value)
    except ValueError:
        raise _invalid(name, value, row.right) from None
    if requested is True:
        message = (
            f"'{name}={printable(value)}' works on recordings only, not on a live stream; "
            f"leave it out or send {name}=false."
        )
        raise BadParameter(name, value, message)


def _check_encoding(options: ListenOptions) -> None:
    encoding = options.encoding or ""
    if encoding in _HEADERLESS and options.sample_rate is None:
        message = f"'encoding={encoding}' needs 'sample_rate', for example sample_rate=16000."
        raise BadParameter("sample_rate", "", message)
    rates = _RATES.get(encoding, ())
    if rates and options.sample_rate is not None and options.sample_rate not in rates:
        right = join_choices([str(rate) for rate in rates])
        message = f"'encoding={encoding}' has a 'sample_rate' of {right}, not {options.sample_rate}."
        raise BadParameter("sample_rate", str(options.sample_rate), message)
    most = _MOST_CHANNELS.get(encoding)
    if most is not None and options.channels > most:
        fits = "channels=1 or 2" if most == 2 else "channels=1"
        message = f"'channels={options.channels}' does not work with 'encoding={encoding}'; send {fits}."
        raise BadParameter("channels", str(options.channels), message)


def _invalid(name: str, value: str, right: str) -> BadParameter:
    if name == "callback":
        # It may hold a password.
        return BadParameter(name, "", "Invalid 'callback' value.", f"'{name}' takes {right}.")
    return BadParameter(name, value, f"Invalid '{name}' value of '{printable(value)}'.", f"'{name}' takes {right}.")


_HEADERLESS = frozenset({"linear16", "linear32", "mulaw", "alaw", "opus", "speex"})
_RATES = {"amr-nb": (8000,), "amr-wb": (16_000,), "g729": (8000,), "speex": (8000, 16_000, 32_000)}
_MOST_CHANNELS = {"opus": 2, "amr-nb": 1, "amr-wb": 1, "g729": 1, "speex": 2}
