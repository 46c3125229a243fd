"""Stream a WAV file with the `websockets` package and nothing else, with a pause in the middle.

python bare_websockets.py FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]

FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the server's address (by
default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.
"""

import asyncio
import json
import os
import sys
import time
import wave
from contextlib import suppress
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

RATE = 16_000
FRAME_S = 0.1
FRAME_BYTES = int(FRAME_S * RATE) * 2


async def speak(line: ClientConnection, audio: bytes) -> None:
    """Send audio as fast as it would be spoken; a microphone would set the pace by itself."""
    for at in range(0, len(audio), FRAME_BYTES):
        await line.send(audio[at : at + FRAME_BYTES])  # bytes become a binary frame: always audio
        await asyncio.sleep(FRAME_S)


async def pause(line: ClientConnection, seconds: float, every: float) -> None:
    """Hold the line without sending audio."""
    await line.send(json.dumps({"type": "Finalize"}))  # otherwise the last words stay interim until the pause ends
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > every:
        await asyncio.sleep(every)
        await line.send(json.dumps({"type": "KeepAlive"}))  # str becomes a text frame: always control
    await asyncio.sleep(left)


async def listen(line: ClientConnection) -> list[dict]:
    """Print final words as they come, until the server closes."""
    messages = []
    with suppress(ConnectionClosed):  # the reason is in `line`
        async for text in line:
            message = json.loads(text)
            messages.append(message)
            if message["type"] == "Results" and message["is_final"] and (words := transcript(message)):
                print(f"{message['start']:7.2f} {message['start'] + message['duration']:7.2f}  {words}", flush=True)
    return messages


def transcript(results: dict) -> str:
    """The transcript of a message; empty for silence."""
    return results["channel"]["alternatives"][0]["transcript"]


async def main(file: str, pause_at: float = 3, pause_for: float = 12, every: float = 4) -> None:
    """Stream the file, with a pause in the middle."""
    with wave.open(file) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (RATE, 1, 2):
            sys.exit(f"{file} is not 16 kHz mono linear16")
        audio = wav.readframes(wav.getnframes())
    cut = int(pause_at * RATE) * 2

    url = os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080")
    query = urlencode({"model": "nova-3", "encoding": "linear16", "sample_rate": RATE, "punctuate": "true"})
    key = os.environ.get("DEEPGRAM_API_KEY")
    headers = {"Authorization": f"Token {key}"} if key else {}
    opened_at = time.monotonic()
    async with connect(f"{url}/v1/listen?{query}", additional_headers=headers) as line:
        listening = asyncio.create_task(listen(line))
        with suppress(ConnectionClosed):
            await speak(line, audio[:cut])
            await pause(line, pause_for, every)
            await speak(line, audio[cut:])
            await line.send(json.dumps({"type": "CloseStream"}))  # requests the last words, Metadata and the close
        messages = await listening

    if line.close_code != 1000 or [message["type"] for message in messages[-1:]] != ["Metadata"]:
        sys.exit(f"the server hung up: {line.close_code} {line.close_reason}")
    print(f"{messages[-1]['duration']:.2f} s of audio, {time.monotonic() - opened_at:.1f} s on the line")
    # Stream time stood still: words after the pause start where the audio before it ended.
    after = [message for message in messages if message["type"] == "Results" and message["start"] > pause_at - 0.01]
    if not any(map(transcript, after)):
        sys.exit("no words came after the pause")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:])))
