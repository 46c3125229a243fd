"""Catalogue of the engines that run, and the choice of one by model, version and language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caesura.errors import BadParameter, NoSuchModel, NotForLive
from caesura.protocol.header_text import join_choices, printable
from caesura.protocol.messages import ModelInfo
from caesura.protocol.parameters import RECORDING_MODELS, WIRE_MODELS

ANY_LANGUAGE = "multi"
"""The `language` of audio in any language that the engine detects."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One engine that runs, as a request can name it."""

    model: ModelInfo
    languages: tuple[str, ...]
    """Primary subtags of its languages; each covers all regions."""
    biases: bool = False
    """Whether it supports keyterms and keywords."""
    detects_language: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All engines that run. The first of `offers` is the default; there is at least one.

    `names` maps names of the hosted service to engines; all its other names mean the default engine, or another one
    where only that has the language.
    """

    offers: tuple[Offer, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    diarizes: bool = False

    @property
    def languages(self) -> tuple[str, ...]:
        """The accepted values of `language`, each once, in the order of the engines."""
        found = [language for offer in self.offers for language in offer.languages]
        if self.detects_language:
            found.append(ANY_LANGUAGE)
        return tuple(dict.fromkeys(found))

    @property
    def detects_language(self) -> bool:
        """Whether any engine detects the language."""
        return any(offer.detects_language for offer in self.offers)

    def choose(
        self, model: str, version: str, language: str, *, detectable: Sequence[str] = (), recording: bool = False
    ) -> Offer:
        """The engine for a request.

        Args:
            model: As requested.
            version: As requested.
            language: A tag, or `ANY_LANGUAGE` if the language is to be detected.
            detectable: The languages among which it is to be detected; empty: all of the engine's.
            recording: The request is for a recording, not for a live stream.

        Raises:
            NoSuchModel: No engine is of that model, version and language, or knows all of `detectable`.
            NotForLive: The model is for recordings only, and this is a live stream.
            BadParameter: The engine is to choose from `detectable`, and does not detect languages.
        """
        candidates = self._candidates(model, recording=recording)
        versioned = [offer for offer in candidates if version in ("latest", offer.model.version)]
        if not versioned:
            versions = ["latest", *(offer.model.version for offer in candidates)]
            raise _no_such("version", version, f"send version={join_choices(versions)}")
        fitting = [offer for offer in versioned if _supports(offer, language)]
        if not fitting and detectable:
            self.check("detect_language", versioned[0])
        if not fitting:
            languages = Catalogue(tuple(versioned)).languages
            raise _no_such("language", language, f"send language={join_choices(languages)}")
        return _knowing_all(fitting, detectable)

    def check(self, name: str, offer: Offer) -> None:
        """Raises BadParameter when `offer` does not support the parameter `name`."""
        if name in ("keyterm", "keywords") and not offer.biases:
            message = f"'{name}' cannot be honoured by the engine {offer.model.name}; leave it out."
            raise BadParameter(name, "", message)
        if name == "diarize" and not self.diarizes:
            message = (
                "'diarize' needs a speaker embedding network that is not installed on this server; leave it out, or "
                "have its extra 'server' installed, which brings moonshine-voice 0.0.59 with that network."
            )
            raise BadParameter(name, "true", message)
        if name == "detect_language" and not offer.detects_language:
            message = (
                f"'detect_language' cannot be honoured by the engine {offer.model.name}, which recognizes "
                f"{join_choices(offer.languages)} only; leave it out."
            )
            raise BadParameter(name, "true", message)

    def _candidates(self, model: str, *, recording: bool) -> Sequence[Offer]:
        own = {offer.model.name for offer in self.offers}
        named = self.names.get(model, model)
        exact = next((offer for offer in self.offers if named in (offer.model.name, offer.model.uuid)), None)
        if exact is not None:
            return (exact,)
        if model in WIRE_MODELS or (recording and model in RECORDING_MODELS):
            return self.offers
        if model in RECORDING_MODELS:
            message = f"'model={model}' is for recordings only, not for live streams; send model=nova-3 or another."
            raise NotForLive("model", model, message)
        raise _no_such("model", model, f"send model={join_choices(sorted({'nova-3', *own}))}")


def _supports(offer: Offer, language: str) -> bool:
    return offer.detects_language if language == ANY_LANGUAGE else _knows(offer, language)


def _knows(offer: Offer, language: str) -> bool:
    tag = _LANGUAGE_TAG.fullmatch(language)
    return tag is not None and tag["primary"].lower() in offer.languages


def _knowing_all(offers: Sequence[Offer], languages: Sequence[str]) -> Offer:
    """The first of the offers that knows all these languages. Raises NoSuchModel."""
    for offer in offers:
        if all(_knows(offer, language) for language in languages):
            return offer
    known = offers[0].languages
    unknown = next(language for language in languages if not _knows(offers[0], language))
    raise _no_such("detect_language", unknown, f"send detect_language={join_choices(['true', *known])}")


def _no_such(name: str, value: str, instead: str) -> NoSuchModel:
    found = f"'{name}={printable(value)}'"
    message = f"Bad Request: No such model/language/tier combination found. {found} is not available here; {instead}."
    return NoSuchModel(name, value, message)


_LANGUAGE_TAG = re.compile(r"(?P<primary>[a-z]{2,3})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE | re.ASCII)
