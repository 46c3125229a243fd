"""Engines that recognize given sentences in the bundled recording `lv-0890`, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from caesura.engines.registry import EngineSpec
from caesura.engines.scripted import INFO, ScriptedEngine
from caesura.words import Word

START_S, STEP_S, WORD_S = 0.35, 0.22, 0.2
"""The recording speaks from 0.3 s to 5.1 s: there is room for 21 words."""


def recognizing(sentence: str) -> EngineSpec:
    """An engine that recognizes `sentence`."""
    words = tuple(
        Word(text, round(START_S + at * STEP_S, 3), round(START_S + at * STEP_S + WORD_S, 3), 0.9)
        for at, text in enumerate(sentence.split())
    )
    return EngineSpec(replace(INFO, name="telling"), partial(ScriptedEngine, words, 1000.0))


SECRET = recognizing("My card is four one one one one one one one one one one one one one one one, thanks.")
NUMBER = recognizing("The code I was given for the house door is twenty five")
PRICE = recognizing(
    "Anna owes me twenty five dollars. What the fuck um question mark Call five five five one two three four."
)
