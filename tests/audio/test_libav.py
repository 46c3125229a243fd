"""Choice among libav's decoders."""

from __future__ import annotations

import pytest

from caesura.audio.libav import open_decoder
from caesura.errors import InternalError


def test_the_first_that_there_is_is_opened() -> None:
    codec = open_decoder(("nobody-has-this", "speex", "amrnb"), 16_000, 2)
    assert (codec.name, codec.sample_rate, codec.layout.name, codec.thread_count) == ("speex", 16_000, "stereo", 1)


def test_none_of_them_is_our_own_mistake() -> None:
    with pytest.raises(InternalError, match="libav has no decoder nobody-has-this or nor-this"):
        open_decoder(("nobody-has-this", "nor-this"), 8_000)
