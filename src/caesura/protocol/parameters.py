"""Tables of all documented query parameters: how each is parsed and what it does, or why it is refused.

`HONOURED` has those of live streams and recordings, `RECORDINGS` those of recordings only, `NOT_HONOURED` those that
are refused unless their value requests nothing, `IGNORED` those that change nothing. The table in the documentation is
made of these rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from caesura.protocol import value_parsers
from caesura.protocol.header_text import join_choices
from caesura.protocol.value_parsers import DEFAULT_ENDPOINTING_MS, LONGEST_ENDPOINTING_MS, LONGEST_EXTRA, LONGEST_TAG

__all__ = [
    "DEFAULT_ENDPOINTING_MS",
    "ENCODINGS",
    "HONOURED",
    "IGNORED",
    "NOT_HONOURED",
    "RECORDINGS",
    "RECORDING_MODELS",
    "WIRE_MODELS",
    "Honoured",
    "Ignored",
    "NotHonoured",
]

ENCODINGS: Final = (
    "linear16", "linear32", "mulaw", "alaw", "flac", "opus", "ogg-opus", "amr-nb", "amr-wb", "speex", "g729",
)  # fmt: skip
"""Values of `encoding`; without it the audio comes in a container."""


@dataclass(frozen=True, slots=True)
class Honoured:
    """A parameter that is parsed into the field `target` of the options. `most`: how often it may be given."""

    target: str
    parse: Callable[[str], Any]
    right: str
    """The accepted values, as the end of a sentence."""
    does: str
    most: int = 1


@dataclass(frozen=True, slots=True)
class NotHonoured:
    """A parameter that is refused unless its value requests nothing.

    `harmless` matches values that request nothing, `known` all valid values; other valid ones are refused with `why`.
    """

    harmless: re.Pattern[str]
    known: re.Pattern[str]
    right: str
    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An old parameter whose values change nothing here; an invalid value is refused all the same."""

    known: re.Pattern[str]
    right: str
    because: str


def _flag(target: str, does: str) -> Honoured:
    return Honoured(target, value_parsers.boolean, "true or false", does)


HONOURED: Final[Mapping[str, Honoured]] = MappingProxyType(
    {
        "model": Honoured(
            "model", str, "the name or UUID of a model", "chooses the engine; `model_info` names the one that ran"
        ),
        "language": Honoured(
            "language",
            str,
            "a BCP-47 tag or multi",
            "the language that is spoken, which the engine must support; multi detects and reports it",
        ),
        "detect_language": Honoured(
            "detect_language",
            value_parsers.detection,
            "true, false or languages of the engine, one each time",
            "detects the language, among those that are named, and reports it as `detected_language`, with a "
            "`language_confidence` where the engine knows one; on a live stream with each transcript",
            most=100,
        ),
        "version": Honoured("version", str, "latest or the version of a model", "requires that version of the model"),
        "encoding": Honoured(
            "encoding", value_parsers.one_of(*ENCODINGS), join_choices(ENCODINGS), "declares audio without a container"
        ),
        "sample_rate": Honoured(
            "sample_rate",
            value_parsers.whole(4000, 192_000),
            "whole Hz from 4000 to 192000",
            "needed with linear16, linear32, mulaw, alaw, opus and speex",
        ),
        "channels": Honoured(
            "channels",
            value_parsers.whole(1, 20),
            "a whole number from 1 to 20",
            "interleaved channels, mixed to one without `multichannel`; read with `encoding`",
        ),
        "multichannel": _flag("multichannel", "transcribes each channel separately"),
        "interim_results": _flag("interim_results", "words before they are final, about once a second of audio"),
        "endpointing": Honoured(
            "endpointing_ms",
            value_parsers.endpointing,
            f"true, false or whole milliseconds from 0 to {LONGEST_ENDPOINTING_MS}",
            "silence that ends an utterance; raised to the minimum of the engine",
        ),
        "utterance_end_ms": Honoured(
            "utterance_end_ms",
            value_parsers.whole(1000, 5000),
            "whole milliseconds from 1000 to 5000",
            "sends UtteranceEnd after such a gap between words",
        ),
        "vad_events": _flag("vad_events", "sends SpeechStarted where speech begins"),
        "punctuate": _flag("punctuate", "case and punctuation"),
        "smart_format": _flag(
            "smart_format", "punctuation, and numbers, dates, times, amounts, phone numbers, e-mail and URLs as written"
        ),
        "numerals": _flag("numerals", "digits for number words"),
        "dictation": _flag("dictation", "spoken punctuation commands; turns punctuation on"),
        "filler_words": _flag("filler_words", "keeps uh and um"),
        "profanity_filter": _flag("profanity_filter", "masks profanity"),
        "redact": Honoured(
            "redact",
            value_parsers.redaction,
            join_choices(["true", "false", *value_parsers.REDACTIONS]),
            "replaces card numbers, social security numbers or numbers by tags; true means numbers",
            most=50,
        ),
        "replace": Honoured(
            "replace",
            value_parsers.replacement,
            f"FIND:REPLACEMENT with up to {value_parsers.LONGEST_TERM} characters each",
            "replaces words; FIND alone deletes them",
            most=200,
        ),
        "search": Honoured(
            "search",
            value_parsers.term,
            f"up to {value_parsers.LONGEST_TERM} characters",
            "lists where the words may have been said",
            most=50,
        ),
        "keyterm": Honoured(
            "keyterms",
            value_parsers.term,
            f"up to {value_parsers.LONGEST_TERM} characters",
            "makes the engine prefer these words",
            most=500,
        ),
        "keywords": Honoured(
            "keywords",
            value_parsers.keyword,
            "WORD or WORD:INTENSIFIER with a decimal number",
            "makes the engine prefer or avoid these words",
            most=100,
        ),
        "diarize": _flag("diarize", "adds a `speaker` to each word, and a `speaker_confidence` to those of recordings"),
        "diarize_model": Honoured("diarize", value_parsers.diarize_model, "latest or v1", "the same as diarize=true"),
        "no_delay": _flag("no_delay", "finals do not wait for the end of a number or date"),
        "tag": Honoured(
            "tags",
            value_parsers.tag,
            f"up to {LONGEST_TAG} characters",
            "a label in Metadata and in the usage record",
            most=1000,
        ),
        "extra": Honoured(
            "extra",
            value_parsers.extra,
            f"KEY:VALUE with up to {LONGEST_EXTRA} characters",
            "is returned in the metadata of every message",
            most=1000,
        ),
        "callback": Honoured(
            "callback", value_parsers.callback, "a URL of http, https, ws or wss", "sends the results there"
        ),
        "callback_method": Honoured(
            "callback_method", value_parsers.method, "POST or PUT", "the method of an HTTP callback"
        ),
        "inspect_response": _flag("inspect_response", "with `callback`: sends the results on the connection as well"),
        "mip_opt_out": _flag("mip_opt_out", "nothing to opt out of: audio is neither kept nor used for training"),
    }
)

RECORDINGS: Final[Mapping[str, Honoured]] = MappingProxyType(
    {
        "utterances": _flag("utterances", "adds `results.utterances`: the words between two pauses"),
        "utt_split": Honoured(
            "utt_split_s", value_parsers.seconds(0, 600), "a number of seconds", "the pause between two utterances"
        ),
        "paragraphs": _flag("paragraphs", "adds `paragraphs` with sentences; turns punctuation on"),
    }
)

_NOT_YET = "is not supported by this server"
_ANYTHING = re.compile(r".*", re.DOTALL)


def _switch(known: str = "true|false", right: str = "true or false") -> NotHonoured:
    instead = "leave it out or send {name}=false"
    return NotHonoured(re.compile("false"), re.compile(known), right, _NOT_YET, instead)


def _text() -> NotHonoured:
    return NotHonoured(re.compile(""), _ANYTHING, "", _NOT_YET, "leave it out")


def _only(harmless: str, known: str, right: str) -> NotHonoured:
    return NotHonoured(re.compile(harmless), re.compile(known), right, _NOT_YET, "leave it out")


NOT_HONOURED: Final[Mapping[str, NotHonoured]] = MappingProxyType(
    {
        # They would need models that this server does not have.
        "detect_entities": _switch(),
        "custom_intent": _text(),
        "custom_intent_mode": _only("extended|strict", "extended|strict", "extended or strict"),
        "custom_topic": _text(),
        "custom_topic_mode": _only("extended|strict", "extended|strict", "extended or strict"),
        "intents": _switch(),
        "measurements": _switch(),
        "sentiment": _switch(),
        "summarize": _switch(known="true|false|v1|v2", right="true, false, v1 or v2"),
        "topics": _switch(),
        "alternatives": _only("1", "[0-9]{1,9}", "a whole number"),
    }
)

IGNORED: Final[Mapping[str, Ignored]] = MappingProxyType(
    {
        "debug": Ignored(re.compile("true|false"), "true or false", "there is no further output"),
        "diarize_version": Ignored(_ANYTHING, "", "there is one version of it; `diarize` turns it on"),
        "tier": Ignored(
            re.compile("base|enhanced|nova|nova-2|nova-3"), "base, enhanced or nova", "`model` names the model"
        ),
    }
)

_DOMAINS = {
    "nova-3": "general medical",
    "nova-2": "general meeting phonecall finance conversationalai voicemail video medical drivethru automotive atc",
    "nova": "general phonecall medical",
    "enhanced": "general meeting phonecall finance",
    "base": "general meeting phonecall finance conversationalai voicemail video",
}
WIRE_MODELS: Final = frozenset(
    {"default"}
    | set(_DOMAINS)
    | set(_DOMAINS["base"].split())
    | {f"{family}-{domain}" for family, domains in _DOMAINS.items() for domain in domains.split()}
)
"""Names of the hosted service's models for live streams."""
RECORDING_MODELS: Final = frozenset(
    {"whisper"} | {f"whisper-{size}" for size in ("cloud", "tiny", "base", "small", "medium", "large")}
)
"""Names of its models that are for recordings only."""
