"""Choice of an engine by model, version and language."""

from __future__ import annotations

import pytest

from caesura.errors import BadParameter, NoSuchModel, NotForLive
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.messages import ModelInfo


def offer(name: str, *languages: str, version: str = "1.0", detects: bool = False, biases: bool = False) -> Offer:
    return Offer(ModelInfo(f"uuid-{name}", name, version, "arch"), languages, biases, detects)


ENGLISH = offer("own-en", "en", biases=True)
MANY = offer("own-many", "en", "de", "fr", version="2.0", detects=True)
BOTH = Catalogue((ENGLISH, MANY))


def chosen(model: str = "nova-3", version: str = "latest", language: str = "en", catalogue: Catalogue = BOTH) -> str:
    return catalogue.choose(model, version, language).model.name


def test_a_name_of_the_hosted_service_means_the_default_engine() -> None:
    assert chosen("nova-3") == chosen("base-general") == "own-en"


def test_another_engine_is_taken_where_only_that_has_the_language() -> None:
    assert chosen(language="de-CH") == chosen(language="multi") == "own-many"


def test_an_engine_can_be_chosen_by_its_own_name() -> None:
    assert chosen("own-many") == "own-many"


def test_an_engine_can_be_chosen_by_the_uuid_of_model_info() -> None:
    assert chosen("uuid-own-many") == "own-many"


def test_a_table_says_which_engine_a_name_means() -> None:
    catalogue = Catalogue((ENGLISH, MANY), {"nova-2": "own-many"})
    assert chosen("nova-2", catalogue=catalogue) == "own-many"
    assert chosen("nova-3", catalogue=catalogue) == "own-en"


def test_an_engine_that_was_named_is_not_exchanged_for_one_that_has_the_language() -> None:
    with pytest.raises(NoSuchModel) as caught:
        chosen("own-en", language="de")
    assert caught.value.message.endswith("'language=de' is not available here; send language=en.")


def test_a_language_that_no_engine_has_is_refused_with_the_list() -> None:
    with pytest.raises(NoSuchModel) as caught:
        chosen(language="it")
    assert caught.value.message.endswith("send language=en, de, fr or multi.")
    assert BOTH.languages == ("en", "de", "fr", "multi")


def test_the_engine_that_is_to_choose_a_language_knows_all_that_are_named() -> None:
    few = offer("own-few", "en", "it", detects=True)
    catalogue = Catalogue((ENGLISH, few, MANY))
    for detectable, engine in [((), few), (("it", "EN-us"), few), (("de-CH", "en"), MANY), (("fr",), MANY)]:
        assert catalogue.choose("nova-3", "latest", "multi", detectable=detectable) is engine


@pytest.mark.parametrize("unknown", ["it", "english", "multi", "de_AT", "True"])
def test_a_language_to_detect_that_the_engine_does_not_know_is_refused_with_the_list(unknown: str) -> None:
    with pytest.raises(NoSuchModel) as caught:
        BOTH.choose("nova-3", "latest", "multi", detectable=("en", unknown))
    assert (caught.value.name, caught.value.value) == ("detect_language", unknown)
    assert caught.value.message.endswith(
        f"'detect_language={unknown}' is not available here; send detect_language=true, en, de or fr."
    )


def test_an_engine_that_was_named_and_does_not_detect_is_not_to_choose_a_language() -> None:
    with pytest.raises(BadParameter, match="'detect_language' cannot be honoured by the engine own-en"):
        BOTH.choose("own-en", "latest", "multi", detectable=("en",))


def test_a_version_picks_the_engine_that_has_it() -> None:
    assert chosen(version="2.0") == "own-many"
    with pytest.raises(NoSuchModel) as caught:
        chosen(version="3.0")
    assert caught.value.message.endswith("send version=latest, 1.0 or 2.0.")


def test_an_unknown_model_is_refused_with_the_list() -> None:
    with pytest.raises(NoSuchModel) as caught:
        chosen("nova-9")
    assert caught.value.message.endswith("send model=nova-3, own-en or own-many.")


def test_models_for_recordings_are_not_for_live_streams() -> None:
    assert BOTH.choose("whisper-large", "latest", "en", recording=True) is ENGLISH
    with pytest.raises(NotForLive):
        chosen("whisper-large")


@pytest.mark.parametrize(
    ("name", "able", "unable"),
    [("keyterm", ENGLISH, MANY), ("keywords", ENGLISH, MANY), ("detect_language", MANY, ENGLISH)],
)
def test_what_an_engine_cannot_do_is_refused_by_its_name(name: str, able: Offer, unable: Offer) -> None:
    BOTH.check(name, able)
    with pytest.raises(BadParameter, match=unable.model.name):
        BOTH.check(name, unable)


def test_diarize_is_accepted_where_an_embedder_is_installed() -> None:
    Catalogue((ENGLISH,), diarizes=True).check("diarize", ENGLISH)
    with pytest.raises(BadParameter, match="moonshine-voice"):
        BOTH.check("diarize", ENGLISH)
