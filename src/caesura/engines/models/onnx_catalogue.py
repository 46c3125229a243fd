"""Catalogue of ONNX models: those that the engines `onnx-asr` and `sherpa` run, with the files that each needs.

Every entry names a commit: the files listed here are those of that commit. Sizes are those of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from caesura.engines.models.catalogue import CatalogueEntry, CpuCost, PublishedWer, leaderboard

ONNX_ASR: Final = "onnx-asr"
"""Name of the family that the package onnx-asr runs: whole segments at once."""

SHERPA: Final = "sherpa"
"""Name of the family that the package sherpa-onnx runs: streaming transducers."""

ONNX_ASR_DEFAULT: Final = "parakeet-tdt-0.6b-v3"
SHERPA_DEFAULT: Final = "zipformer-en"

_ENGLISH: Final = ("en",)
_RUSSIAN: Final = ("ru",)
_IN_ORDER_EUROPEAN = "en bg hr cs da nl et fi fr de el hu it lv lt mt pl pt ro sk sl es sv ru uk"
_IN_ORDER_NEMOTRON = (
    "en es de fr it ar ja ko pt ru hi zh vi he nl cs da pl no sv th tr bg el et fi hr hu lt lv ro sk uk mt sl"
)
_EUROPEAN: Final = tuple(_IN_ORDER_EUROPEAN.split())
_NEMOTRON: Final = tuple(_IN_ORDER_NEMOTRON.split())


def _transducer(*parts: str) -> tuple[str, ...]:
    return (*(f"{part}.int8.onnx" for part in parts), "vocab.txt", "config.json")


def _gigaam(name: str, vocabulary: str) -> tuple[str, ...]:
    networks = (f"{name}_{part}.int8.onnx" for part in ("encoder", "decoder", "joint"))
    return (*networks, vocabulary, "config.json")


def _zipformer(suffix: str) -> tuple[str, ...]:
    # The decoder is small, and more accurate unquantised.
    return (f"encoder-{suffix}.int8.onnx", f"decoder-{suffix}.onnx", f"joiner-{suffix}.int8.onnx", "tokens.txt")


_NEMOTRON_FILES: Final = ("encoder.int8.onnx", "decoder.int8.onnx", "joiner.int8.onnx", "tokens.txt")


def _russian_librispeech(percent: float) -> PublishedWer:
    return PublishedWer(percent, "Russian LibriSpeech, test", "onnx-asr, comparison with original implementations")


ONNX_ASR_CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            CatalogueEntry(
                name=ONNX_ASR_DEFAULT,
                repo="istupakov/parakeet-tdt-0.6b-v3-onnx",
                size=670_480_000,
                languages=_EUROPEAN,
                licence="CC-BY-4.0",
                wer=leaderboard(6.32),
                cpu=CpuCost.HIGH,
                revision="8f23f0c03c8761650bdb5b40aaf3e40d2c15f1ce",
                family=ONNX_ASR,
                kind="nemo-parakeet-tdt-0.6b-v3",
                files=_transducer("encoder-model", "decoder_joint-model"),
            ),
            CatalogueEntry(
                name="parakeet-tdt-0.6b-v2",
                repo="istupakov/parakeet-tdt-0.6b-v2-onnx",
                size=661_191_781,
                languages=_ENGLISH,
                licence="CC-BY-4.0",
                wer=leaderboard(6.05),
                cpu=CpuCost.HIGH,
                revision="0bbb45a3365852604aef28b538a8f066f4ccaa85",
                family=ONNX_ASR,
                kind="nemo-parakeet-tdt-0.6b-v2",
                files=_transducer("encoder-model", "decoder_joint-model"),
            ),
            CatalogueEntry(
                name="canary-1b-v2",
                repo="istupakov/canary-1b-v2-onnx",
                size=1_029_300_000,
                languages=_EUROPEAN,
                licence="CC-BY-4.0",
                wer=leaderboard(7.15),
                cpu=CpuCost.HIGH,
                revision="5ebc1520cef7b6b318b3526ad17adbfe00bc1bfc",
                family=ONNX_ASR,
                kind="nemo-canary-1b-v2",
                files=_transducer("encoder-model", "decoder-model"),
            ),
            CatalogueEntry(
                name="gigaam-v3-e2e-rnnt",
                repo="istupakov/gigaam-v3-onnx",
                size=226_431_968,
                languages=_RUSSIAN,
                licence="MIT",
                wer=_russian_librispeech(7.60),
                cpu=CpuCost.MEDIUM,
                revision="322c3b29492673eb7d0b434bfa9dfb8653e34d02",
                family=ONNX_ASR,
                kind="gigaam-v3-e2e-rnnt",
                files=_gigaam("v3_e2e_rnnt", "v3_e2e_rnnt_vocab.txt"),
            ),
            CatalogueEntry(
                name="gigaam-v3-rnnt",
                repo="istupakov/gigaam-v3-onnx",
                size=226_000_000,
                languages=_RUSSIAN,
                licence="MIT",
                wer=_russian_librispeech(4.39),
                cpu=CpuCost.MEDIUM,
                revision="322c3b29492673eb7d0b434bfa9dfb8653e34d02",
                family=ONNX_ASR,
                kind="gigaam-v3-rnnt",
                files=_gigaam("v3_rnnt", "v3_vocab.txt"),
            ),
        )
    }
)
"""Models of the engine `onnx-asr` by name."""

ONNX_ASR_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"parakeet": "parakeet-tdt-0.6b-v3", "parakeet-v3": "parakeet-tdt-0.6b-v3", "parakeet-v2": "parakeet-tdt-0.6b-v2"}
)

SHERPA_CATALOGUE: Final[Mapping[str, CatalogueEntry]] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            CatalogueEntry(
                name=SHERPA_DEFAULT,
                repo="csukuangfj/sherpa-onnx-streaming-zipformer-en-2023-06-26",
                size=73_500_000,
                languages=_ENGLISH,
                licence="Apache-2.0",
                wer=PublishedWer(3.06, "LibriSpeech test-clean, chunks of 320 ms; test-other 7.79", "icefall, results"),
                cpu=CpuCost.LOW,
                revision="672fbf1b30579d6585301139bb363f42a0ad4a24",
                family=SHERPA,
                kind="zipformer",
                files=_zipformer("epoch-99-avg-1-chunk-16-left-128"),
            ),
            CatalogueEntry(
                name="zipformer-8",
                repo="csukuangfj/sherpa-onnx-streaming-zipformer-ar_en_id_ja_ru_th_vi_zh-2025-02-10",
                size=338_873_347,
                languages=("ar", "en", "id", "ja", "ru", "th", "vi", "zh"),
                licence="Apache-2.0",
                cpu=CpuCost.MEDIUM,
                revision="c6726c1147387ad2a11148b33973135d92a55e6c",
                family=SHERPA,
                kind="zipformer",
                files=_zipformer("epoch-75-avg-11-chunk-16-left-128"),
            ),
            CatalogueEntry(
                name="nemotron-en",
                repo="csukuangfj2/sherpa-onnx-nemotron-speech-streaming-en-0.6b-560ms-int8-2026-04-25",
                size=661_919_397,
                languages=_ENGLISH,
                licence="NVIDIA OML",
                wer=PublishedWer(
                    7.09, "mean of 8 English sets, chunks of 560 ms", "model card of nvidia/parakeet-unified-en-0.6b"
                ),
                cpu=CpuCost.MEDIUM,
                revision="52056fdc070914a48dcd68b31b44d6a6f5b85902",
                family=SHERPA,
                kind="nemotron",
                files=_NEMOTRON_FILES,
            ),
            CatalogueEntry(
                name="nemotron-3.5",
                repo="csukuangfj2/sherpa-onnx-nemotron-3.5-asr-streaming-0.6b-560ms-int8-2026-06-11",
                size=682_215_356,
                languages=_NEMOTRON,
                licence="OpenMDW-1.1",
                cpu=CpuCost.MEDIUM,
                revision="ab43d895f5985b1bbab8b6eac8607fcdc05343f3",
                family=SHERPA,
                kind="nemotron",
                files=_NEMOTRON_FILES,
            ),
        )
    }
)
"""Models of the engine `sherpa` by name."""
