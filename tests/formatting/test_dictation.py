"""Dictation commands and the signs that are written for them."""

from __future__ import annotations

import pytest

from caesura.formatting.dictation import COMMANDS, apply_dictation
from caesura.formatting.itn import TextFormatter
from caesura.formatting.style import Style
from tests.spoken_words import text, words_of

# `\\n` in the written text is a line break that belongs to the word before it.
EXAMPLES = r"""
patient has a headache comma nausea comma and chills period -> patient has a headache, nausea, and chills.
It started two days ago period Vital signs are normal period -> It started two days ago. Vital signs are normal.
that is all full stop -> that is all.
how are you question mark -> how are you?
wow exclamation mark -> wow!
wow exclamation point -> wow!
note colon take one daily -> note: take one daily
one semicolon two -> one; two
one semi colon two -> one; two
the answer dash obviously -> the answer— obviously
a well hyphen known fact -> a well-known fact
dear John comma new line thank you -> dear John,\n Thank you
the end period new paragraph the beginning -> the end.\n\n The beginning
she said open quote hello close quote -> she said "hello"
she said comma open quote hello period close quote -> she said, "hello."
see open parenthesis above close parenthesis -> see (above)
see open paren page two close paren period -> see (page two).
Patient has a headache, comma, nausea, comma, and chills. Period. -> Patient has a headache, nausea, and chills.
They left. Period. they came back. Period. -> They left. They came back.
I like apples. Comma. And pears. Period. -> I like apples, and pears.
first. New line. second -> first.\n Second
is it true. Question mark. -> is it true?
period of time -> . Of time
over a period of time -> over a. Of time
hello comma period -> hello,.
new line begin -> \nBegin
open quote start -> "start
the colon cancer -> the: cancer
Full-stop is no command. -> Full-stop is no command.
no commands here. -> no commands here.
""".strip().splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_spoken_punctuation_is_written(example: str) -> None:
    spoken, written = example.split(" -> ")
    done = TextFormatter(Style(dictation=True)).format(words_of(spoken), final=True).words
    assert text(done) == written.replace(r"\n", "\n")


def test_there_are_as_many_examples_as_promised() -> None:
    assert len(EXAMPLES) >= 25


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_alone_is_a_word_of_its_own_and_nothing_is_lost(command: tuple[str, ...]) -> None:
    (word,) = apply_dictation(words_of(" ".join(command)))
    assert (word.text, word.start, word.end) == (COMMANDS[command].sign, 0.0, words_of(" ".join(command))[-1].end)


def test_a_command_is_spoken_by_one_speaker() -> None:
    words = (*words_of("a new", speaker=0), *words_of("line", start=1.0, speaker=1))
    assert apply_dictation(words) == words


def test_a_joined_word_has_the_times_of_both_and_the_lower_confidence() -> None:
    words = words_of("well hyphen known")
    (word,) = apply_dictation(words)
    assert (word.text, word.start, word.end) == ("well-known", words[0].start, words[-1].end)


def test_a_sign_does_not_change_the_times_of_its_word() -> None:
    words = words_of("hello comma")
    (word,) = apply_dictation(words)
    assert (word.text, word.end) == ("hello,", words[0].end)


def test_numbers_are_written_after_dictation() -> None:
    style = Style(dictation=True, smart_format=True)
    assert (
        text(TextFormatter(style).format(words_of("it is twenty five dollars period"), final=True).words)
        == "it is $25."
    )
