"""The engines that run in; which of them hears a stream out, or the sentence that says what can be had instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caesura.errors import BadParameter, NoSuchModel, NotForLive
from caesura.protocol.messages import ModelInfo
from caesura.protocol.parameters import RECORDING_MODELS, WIRE_MODELS
from caesura.protocol.sentences import listed, shown

WHICHEVER = "multi"
"""The `language` that asks for whichever is heard."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One engine that runs, as the wire can ask for it."""

    model: ModelInfo
    languages: tuple[str, ...]
    """Primary subtags that it understands; each stands for all its regions."""
    biases: bool = False
    """Whether it prefers terms that it is given."""
    detects_language: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All engines that run. The first of `offers` is the default; there is at least one.

    `names` says which engine is meant by a name of the hosted service; those that it leaves out mean the default, or
    another engine where only that has the language.
    """

    offers: tuple[Offer, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    diarizes: bool = False

    @property
    def languages(self) -> tuple[str, ...]:
        """What can be asked for as `language`, each once, in the order of the engines."""
        found = [language for offer in self.offers for language in offer.languages]
        if self.detects_language:
            found.append(WHICHEVER)
        return tuple(dict.fromkeys(found))

    @property
    def detects_language(self) -> bool:
        """Whether there is an engine that finds out what is spoken."""
        return any(offer.detects_language for offer in self.offers)

    def choose(self, model: str, version: str, language: str, *, recording: bool = False) -> Offer:
        """The engine that hears what was asked for.

        Raises:
            NoSuchModel: The model, its version or its language is not to be had here.
            NotForLive: The model hears recordings only, and this is a live stream.
        """
        meant = self._meant(model, recording=recording)
        versioned = [offer for offer in meant if version in ("latest", offer.model.version)]
        if not versioned:
            versions = ["latest", *(offer.model.version for offer in meant)]
            raise _no_such("version", version, f"send version={listed(versions)}")
        fluent = [offer for offer in versioned if _has(offer, language)]
        if not fluent:
            spoken = Catalogue(tuple(versioned)).languages
            raise _no_such("language", language, f"send language={listed(spoken)}")
        return fluent[0]

    def check(self, name: str, offer: Offer) -> None:
        """Whether `offer` can do what the parameter `name` asks for. Raises BadParameter when it cannot."""
        if name in ("keyterm", "keywords") and not offer.biases:
            message = f"'{name}' cannot be honoured by the engine {offer.model.name}; leave it out."
            raise BadParameter(name, "", message)
        if name == "diarize" and not self.diarizes:
            message = (
                "'diarize' needs a network of voices that is not installed on this server; leave it out, or have "
                "its extra 'server' installed, which brings moonshine-voice 0.0.59 with that network."
            )
            raise BadParameter(name, "true", message)
        if name == "detect_language" and not offer.detects_language:
            message = (
                f"'detect_language' cannot be honoured by the engine {offer.model.name}, which hears "
                f"{listed(offer.languages)} only; leave it out."
            )
            raise BadParameter(name, "true", message)

    def _meant(self, model: str, *, recording: bool) -> Sequence[Offer]:
        own = {offer.model.name: offer for offer in self.offers}
        named = self.names.get(model, model)
        exact = next((offer for offer in self.offers if named in (offer.model.name, offer.model.uuid)), None)
        if exact is not None:
            return (exact,)
        if model in WIRE_MODELS or (recording and model in RECORDING_MODELS):
            return self.offers
        if model in RECORDING_MODELS:
            message = f"'model={model}' hears recordings only, no live streams; send model=nova-3 or another."
            raise NotForLive("model", model, message)
        raise _no_such("model", model, f"send model={listed(sorted({'nova-3', *own}))}")


def _has(offer: Offer, language: str) -> bool:
    if language == WHICHEVER:
        return offer.detects_language
    tag = _LANGUAGE_TAG.fullmatch(language)
    return tag is not None and tag["primary"].lower() in offer.languages


def _no_such(name: str, value: str, instead: str) -> NoSuchModel:
    found = f"'{name}={shown(value)}'"
    message = f"Bad Request: No such model/language/tier combination found. {found} is not to be had here; {instead}."
    return NoSuchModel(name, value, message)


_LANGUAGE_TAG = re.compile(r"(?P<primary>[a-z]{2,3})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE | re.ASCII)
