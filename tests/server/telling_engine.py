"""Speech with a card number in it: words in, an engine that hears just them in the bundled recording `lv-0890`, out."""

from __future__ import annotations

from dataclasses import replace

from caesura.engines.base import Engine
from caesura.engines.registry import EngineSpec
from caesura.engines.scripted import INFO, ScriptedEngine
from caesura.words import Word

SECRET = "four one one one one one one one one one one one one one one one"
SENTENCE = f"My card is {SECRET}, thanks."
START_S, STEP_S = 0.35, 0.22
"""The recording speaks from 0.3 s to 5.1 s."""

WORDS = tuple(
    Word(text, round(START_S + at * STEP_S, 3), round(START_S + at * STEP_S + 0.2, 3), 0.9)
    for at, text in enumerate(SENTENCE.split())
)
NAME = "tests.server.telling_engine:SPEC"


def _load() -> Engine:
    return ScriptedEngine(WORDS, 1000.0)


SPEC = EngineSpec(replace(INFO, name="telling"), _load)
