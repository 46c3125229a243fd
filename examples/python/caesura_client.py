"""Stream a WAV file with Caesura's own client, with a pause in the middle.

python caesura_client.py FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]

The times are in seconds, by default 3, 12 and 4. CAESURA_URL is the server's address (by default ws://127.0.0.1:8080;
`deepgram` for Deepgram), DEEPGRAM_API_KEY the key, if one is needed.
"""

import asyncio
import os
import sys

import caesura


async def speak(line: caesura.Line, talk, pause_at: float, pause_for: float) -> None:
    """Send audio in real time, with a pause in the middle."""
    bytes_per_s = talk.parameters["sample_rate"] * talk.parameters["channels"] * 2
    sent_s = 0.0
    async for frame in talk:
        line.send(frame)  # live audio never waits; returns whether it was accepted, buffered or dropped
        seconds = len(frame) / bytes_per_s
        await asyncio.sleep(seconds)  # a microphone would set the pace by itself
        if sent_s < pause_at <= sent_s + seconds:
            line.pause()  # Finalize, then KeepAlive for as long as it takes: nothing else has to be done
            await asyncio.sleep(pause_for)
            line.resume()
        sent_s += seconds
    await line.finish()


async def main(file: str, pause_at: float = 3, pause_for: float = 12, every: float = 4) -> None:
    """Stream the file, with a pause in the middle."""
    async with (
        caesura.recording(file) as talk,
        caesura.connect(
            os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080"),
            key=os.environ.get("DEEPGRAM_API_KEY"),
            tuning=caesura.Tuning(keepalive_s=every),
            model="nova-3",
            punctuate=True,
            **talk.parameters,
        ) as line,
    ):
        speaking = asyncio.create_task(speak(line, talk, pause_at, pause_for))
        async for event in line:
            match event:
                case caesura.Final(text=words) if words:
                    # Stream time stands still in the pause; source time and wall time do not.
                    first = event.words[0]
                    print(f"{event.stream_start:7.2f} {event.stream_end:7.2f}  {words}", flush=True)
                    print(f"    captured at {first.source_start:.2f} s, {first.wall_start:%H:%M:%S}", file=sys.stderr)
                case caesura.Reconnecting() | caesura.Reconnected() | caesura.Gap():
                    print(event, file=sys.stderr)
        await speaking
        result = await line.finish()
    print(f"{result.stats.provider_s:.2f} s of audio, {result.stats.connected_s:.1f} s on the line")
    if not result.complete or not any(word.stream_start >= pause_at - 0.01 for word in result.words):
        sys.exit("no words came after the pause")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:])))
