"""Opens the first of libav's decoders that is available, ready for bare packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext

from caesura.errors import InternalError

_LAYOUTS = ("mono", "stereo")


def open_decoder(names: Sequence[str], rate: int, channels: int = 1) -> AudioCodecContext:
    """A decoder for bare packets of `rate` Hz and one or two channels, which runs on the caller's thread only.

    Raises InternalError when libav was built without all of `names`.
    """
    for name in names:
        try:
            codec = cast(AudioCodecContext, AudioCodecContext.create(name, "r"))
        except av.codec.codec.UnknownCodecError:
            continue
        codec.layout = _LAYOUTS[channels - 1]
        codec.sample_rate = rate
        codec.thread_count = 1
        return codec
    raise InternalError(f"libav has no decoder {' or '.join(names)}; install av from its wheel")
