"""An audio thread that counts the work it is given, so that a test can wait until none is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from caesura.pipeline.audio_thread import AudioThread, Work


class WatchedAudioThread(AudioThread):
    """The real audio thread; `submitted` and `out` count pieces of work."""

    def __init__(self, gather_s: float = 0.0, *, clock: Callable[[], float]) -> None:
        super().__init__(gather_s, clock=clock)
        self.submitted = 0
        self.out = 0
        """Work whose result is not delivered yet."""
        self._idle = asyncio.Event()

    def submit(self, work: Work, *, ahead: bool = False) -> None:
        self.submitted += 1
        self.out += 1
        self._idle.clear()

        def watched() -> Callable[[], None]:
            after = work()

            def deliver() -> None:
                self.out -= 1
                after()  # it may submit more
                if not self.out:
                    self._idle.set()

            return deliver

        super().submit(watched, ahead=ahead)

    async def until_idle(self) -> None:
        """Wait until all work that was submitted, and what followed from it, is done and delivered."""
        if self.out:
            await self._idle.wait()
