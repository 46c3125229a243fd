"""Plain numbers that become digits, and number words that stay words."""

from __future__ import annotations

import pytest

from caesura.formatting.itn import TextFormatter
from caesura.formatting.numbers import ordinal
from caesura.formatting.style import Style
from tests.spoken_words import text, words_of

EXAMPLES = """
Nine hundred. -> 900.
The nine hundredth visitor. -> The 900th visitor.
My date of birth is June twenty eighth. -> My date of birth is June 28th.
And then twenty three. -> And then 23.
I have two cats. -> I have 2 cats.
Step one is done. -> Step 1 is done.
The answer is zero. -> The answer is 0.
Ten, eleven, twelve. -> 10, 11, 12.
One, two, three. -> 1, 2, 3.
Five five five one two. -> 55512.
My account number is nine two eight four seven three seven. -> My account number is 9284737.
Double five four three. -> 5543.
Nine oh one two. -> 9012.
Three point five. -> 3.5.
One point oh five. -> 1.05.
Zero point five. -> 0.5.
3 point 5. -> 3.5.
Nineteen sixty one. -> 1961.
Nineteen oh five. -> 1905.
Twenty twenty four. -> 2024.
Two thousand and nine. -> 2009.
In nineteen hundred. -> In 1900.
The nineteen nineties. -> The 1990s.
One hundred and one dalmatians. -> 101 dalmatians.
Nine hundred ninety nine thousand nine hundred ninety nine. -> 999999.
One million two hundred thousand. -> 1200000.
2.5 million people. -> 2500000 people.
Between one hundred and two hundred. -> Between 100 and 200.
Twenty five percent. -> 25%.
A hundred percent. -> 100%.
Half a percent, or two per cent. -> Half a percent, or 2%.
The first numbers look good. -> The 1st numbers look good.
The second time. -> The 2nd time.
The third quarter. -> The 3rd quarter.
The twenty-first century. -> The 21st century.
On the fifth of May. -> On the 5th of May.
Twenty five dollars and fifty cents. -> 25 dollars and 50 cents.
Four by four. -> 4 by 4.
From nine to five. -> From 9 to 5.
Twenty-five people. -> 25 people.
Five uh six seven. -> 567.
A hundred and ten people. -> 110 people.
Fourteen hundred hours. -> 1400 hours.
Thirty three thousand. -> 33000.
It is minus five degrees. -> It is minus 5 degrees.
""".strip().splitlines()

UNTOUCHED = """
No one is here.
One of them would say this one.
One could say so.
Wait a second.
First of all, your first name.
A fifth of it, one third, three quarters.
Two and a half hours.
Hundreds of people, a couple of hundred.
A dollar at a point in time.
It was 1961, 3.5 and the 2nd.
You may march.
""".strip().splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_numerals_writes_number_words_in_digits(example: str) -> None:
    spoken, written = example.split(" -> ")
    assert text(TextFormatter(Style(numerals=True)).format(words_of(spoken), final=True).words) == written


@pytest.mark.parametrize("example", EXAMPLES)
def test_text_that_is_already_written_stays(example: str) -> None:
    written = example.split(" -> ")[1]
    assert text(TextFormatter(Style(numerals=True)).format(words_of(written), final=True).words) == written


@pytest.mark.parametrize("sentence", UNTOUCHED)
def test_numerals_leaves_words_that_are_not_numbers(sentence: str) -> None:
    assert text(TextFormatter(Style(numerals=True)).format(words_of(sentence), final=True).words) == sentence


def test_there_are_as_many_examples_as_promised() -> None:
    assert len(EXAMPLES) >= 40


def test_with_both_options_small_numbers_are_digits_and_entities_are_written() -> None:
    written = TextFormatter(Style(numerals=True, smart_format=True)).format(
        words_of("The first two cost five dollars"), final=True
    )
    assert text(written.words) == "The 1st 2 cost $5"


@pytest.mark.parametrize(
    ("digits", "written"), [("1", "1st"), ("2", "2nd"), ("3", "3rd"), ("11", "11th"), ("112", "112th"), ("23", "23rd")]
)
def test_an_ordinal_gets_its_ending(digits: str, written: str) -> None:
    assert ordinal(digits) == written
