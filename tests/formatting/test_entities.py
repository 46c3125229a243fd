"""Entities of all kinds in one sentence, and those that are incomplete at its end."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.entities import find_entities, incomplete_entity_at
from caesura.formatting.itn import TextFormatter
from caesura.formatting.numbers import NumberStyle
from caesura.formatting.style import Style
from tests.spoken_words import text, words_of

SMART = NumberStyle(smart=True, numerals=False)

EXAMPLES = (
    """
I'm recording this at eight thirty seven pm on Wednesday. -> I'm recording this at 8:37 PM on Wednesday.
It's November second, twenty twenty two. -> It's November 2, 2022.
I just ate thirty three grams of pasta. -> I just ate 33 grams of pasta.
Then I drank fifty five milliliters at three hundred Main Street. -> Then I drank 55 milliliters at 300 Main Street.
I walked down to one two three Southeast Main Street. -> I walked down to 123 Southeast Main Street.
My package has tracking number one Z five seven A two B. -> My package has tracking number 1Z57A2B.
Call me at five five five eight six seven five three oh nine. -> Call me at (555) 867-5309.
Call me on January fifth about the twelve hundred dollar invoice. -> Call me on January 5 about the $1,200 invoice.
The clinic is at six seven eight Cherry Lane. -> The clinic is at 678 Cherry Lane.
Denver, Colorado, eight oh two oh two. -> Denver, Colorado, 80202.
We are at one fifty five State Street. -> We are at 155 State Street.
Call me at five five five one two three four. -> Call me at 555-1234.
My social is four five six seven eight one two three four. -> My social is 456-78-1234.
We collected three hundred forty two dollars and ninety nine cents. -> We collected $342.99.
The population is twelve thousand four hundred. -> The population is 12,400.
The file has fifty thousand rows. -> The file has 50,000 rows.
Between five and ten people. -> Between 5 and 10 people.
We launched in nineteen ninety nine. -> We launched in 1999.
We expect to launch in twenty twenty six. -> We expect to launch in 2026.
She signed on April twelfth, twenty twenty four. -> She signed on April 12, 2024.
From January fifth to January twelfth. -> From January 5 to January 12.
Two thousand twenty four to two thousand twenty six. -> 2024 to 2026.
We hired her in April twenty twenty four. -> We hired her in April 2024.
From Monday the third to Friday the seventh. -> From Monday the third to Friday the seventh.
Send it to john at acme dot com. -> Send it to john@acme.com.
Email me at Sarah dot Lee at gmail dot com. -> Email me at sarah.lee@gmail.com.
It's Mike at example dot org. -> It's mike@example.org.
Email me at Jane plus newsletter at gmail dot com. -> Email me at jane+newsletter@gmail.com.
Ping me at Tom at acme dot co dot uk. -> Ping me at tom@acme.co.uk.
My email is John Smith at gmail dot com. -> My email is johnsmith@gmail.com.
My email is J O H N at acme dot com. -> My email is john@acme.com.
Mail support underscore team at acme dash corp dot com please. -> Mail support_team@acme-corp.com please.
Call eight hundred five five five three two one zero. -> Call (800) 555-3210.
It's open between nine a m and five p m. -> It's open between 9 AM and 5 PM.
Ship one thousand two hundred units to twelve thirty four Maple Drive. -> Ship 1,200 units to 1234 Maple Drive.
The contract is worth two point five million dollars. -> The contract is worth $2,500,000.
A loss of negative twelve thousand dollars. -> A loss of negative $12,000.
Satisfaction was one hundred percent. -> Satisfaction was 100%.
A hundred and ten percent effort. -> 110% effort.
The rate dropped two point five percent. -> The rate dropped 2.5%.
About thirty five percent of customers paid. -> About 35% of customers paid.
Growth of five to ten percent. -> Growth of 5 to 10%.
In London it's plus four four two oh seven nine four six oh nine five eight. -> In London it's +44 20 7946 0958.
Go to acme dot com slash signup. -> Go to acme.com/signup.
Visit www dot example dot org. -> Visit www.example.org.
Visit w w w dot example dot org slash docs. -> Visit www.example.org/docs.
The docs are at docs dot stripe dot com. -> The docs are at docs.stripe.com.
Look at example dot com. -> Look at example.com.
Open https colon slash slash example dot com slash help. -> Open https://example.com/help.
Call two one two five five five one two three four extension four zero seven. -> Call (212) 555-1234 extension 407.
The meeting is at ten a.m. tomorrow. -> The meeting is at 10 AM tomorrow.
The train leaves at five forty five. -> The train leaves at 5:45.
I am free from two thirty to three fifteen. -> I am free from 2:30 to 3:15.
It lands at nine oh five. -> It lands at 9:05.
Meet me at five o'clock. -> Meet me at 5 o'clock.
It starts at 10:30 a.m. -> It starts at 10:30 AM.
See you at 5 pm. -> See you at 5 PM.
My number is 555. 867. 5309. -> My number is (555) 867-5309.
My number is 555-867-5309. -> My number is 555-867-5309.
It costs $5 and 50 cents. -> It costs $5.50.
Twenty-five people came. -> 25 people came.
The twenty first century. -> The 21st century.
On the fifth of May. -> On the 5th of May.
I was born on the third of June nineteen eighty five. -> I was born on the 3rd of June 1985.
Suite three oh five, please. -> Suite 305, please.
Take exit eighty seven. -> Take exit 87.
I'm on flight one two three four. -> I'm on flight 1234.
The room is two oh five. -> The room is 205.
The code is four oh four oh four oh four. -> The code is 4040404.
Your member number is one two three dash four five six. -> Your member number is 123-456.
Reference one thousand two hundred thirty four. -> Reference 1234.
The reference is five five five eight six seven five three oh nine. -> The reference is 5558675309.
Card number four five three two seven seven eight eight nine nine zero zero one one two two. -> \
Card number 4532778899001122.
Your account number is one hundred two oh three oh oh four. -> Your account number is 100203004.
My phone number is one eight hundred five five five three two one zero. -> My phone number is 1-800-555-3210.
My number is six one seven, five five five, four nine eight seven. -> My number is (617) 555-4987.
My number is six one seven double five five four nine eight seven. -> My number is (617) 555-4987.
Twenty pounds and fifty pence. -> £20.50.
Three hundred thousand euros. -> €300,000.
In the nineteen nineties. -> In the 1990s.
In two thousand and nine we met. -> In 2009 we met.
March 5th, 2024 works. -> March 5, 2024 works.
See you May twenty first. -> See you May 21.
It is a hundred dollars. -> It is $100.
That's twenty two thousand four hundred and sixty two dollars. -> That's $22,462.
The pH is seven point four. -> The pH is 7.4.
Use version three point one four. -> Use version 3.14.
Twelve and a half hours. -> 12 and a half hours.
Five million people. -> 5,000,000 people.
Call nine one one. -> Call 911.
Between one hundred and two hundred. -> Between 100 and 200.
My card expires in ninety days. -> My card expires in 90 days.
I need two hundred and fifty units by March first. -> I need 250 units by March 1.
""".replace("\\\n", "")
    .strip()
    .splitlines()
)

UNTOUCHED = """
No one is here, one of the two is late.
Wait a second, I may march there at a point.
You may first want to check.
The third quarter results are in.
About ten fifteen minutes.
One third of it.
Two and a half hours.
It's half past seven, quarter to nine.
I have two cats and three dogs.
One, two, three, go!
The dot com bubble.
Look at me at once.
Meet me at five.
Five fifty, or one fifty dollars.
A dollar, a million reasons, hundreds of people, a couple of thousand.
Twenty twenty vision.
It was at its worst, oh five of them left.
Meet us at the office, one by one.
That is a double, the second time.
The fifty fifty split.
Uh-huh, I see.
""".strip().splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_smart_formatting_writes_spoken_forms(example: str) -> None:
    spoken, written = example.split(" -> ")
    assert text(TextFormatter(Style(smart_format=True)).format(words_of(spoken), final=True).words) == written


@pytest.mark.parametrize("example", EXAMPLES)
def test_text_that_is_already_written_stays(example: str) -> None:
    written = example.split(" -> ")[1]
    assert text(TextFormatter(Style(smart_format=True)).format(words_of(written), final=True).words) == written


@pytest.mark.parametrize("sentence", UNTOUCHED)
def test_smart_formatting_leaves_ambiguous_words(sentence: str) -> None:
    assert text(TextFormatter(Style(smart_format=True)).format(words_of(sentence), final=True).words) == sentence


def test_there_are_as_many_examples_as_promised() -> None:
    assert len(EXAMPLES) >= 80


def test_one_speaker_s_number_does_not_go_on_in_another_s() -> None:
    words = (*words_of("five five five", speaker=0), *words_of("one two three", start=2, speaker=1))
    assert text(TextFormatter(Style(smart_format=True)).format(words, final=True).words) == "555 123"


OPEN = """
My number is | five five five.
It was in | nineteen
That makes | twenty
I was born on | January fifth
I was born in | June
That's | one hundred and
It's | three point
It costs | twenty five dollars and
Call me at | five five five one two three four
Email me at | john at
Email me at | john at gmail
Email me at | john at gmail dot
Go to | acme dot
Go to | acme dot com slash
On the | third of
My code is | b four seven
At | three thirty
""".strip().splitlines()


@pytest.mark.parametrize("sentence", OPEN)
def test_a_number_that_may_go_on_is_incomplete(sentence: str) -> None:
    before, rest = sentence.split("|")
    parsed = parse_amounts(words_of(before + rest))
    assert incomplete_entity_at(parsed, find_entities(parsed, SMART), complete=True) == len(before.split())


CLOSED = """
My number is five five five, okay?
No one
It's twenty five percent.
At three thirty p m
It costs twenty five dollars.
On January fifth, twenty twenty four.
Send it to john at acme dot com.
Call me at five five five eight six seven five three oh nine.
Wait a second.
You may.
Look at
And then
Make it a double
""".strip().splitlines()


@pytest.mark.parametrize("sentence", CLOSED)
def test_complete_numbers_and_other_words_are_not_incomplete(sentence: str) -> None:
    words = words_of(sentence)
    parsed = parse_amounts(words)
    assert incomplete_entity_at(parsed, find_entities(parsed, SMART), complete=True) == len(words)


def test_ten_digits_may_be_the_beginning_of_a_card_number() -> None:
    words = words_of("It is four five three two seven seven eight eight nine nine")
    parsed = parse_amounts(words)
    assert incomplete_entity_at(parsed, find_entities(parsed, SMART), complete=True) == len(words)
    assert incomplete_entity_at(parsed, find_entities(parsed, SMART), complete=False) == 2


def test_the_last_words_of_an_interim_may_be_guesses() -> None:
    words = words_of("It is four one one for")
    parsed = parse_amounts(words)
    found = find_entities(parsed, SMART)
    assert incomplete_entity_at(parsed, found, complete=False) == len(words)
    assert incomplete_entity_at(parsed, found, complete=False, guesses=2) == 2
