"""Stream a WAV file with Deepgram's own SDK (`pip install deepgram-sdk`, 7.x), with a pause in the middle.

python official_sdk.py FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]

FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the server's address (by
default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.
"""

import os
import sys
import threading
import time
import wave

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.socket_client import V1SocketClient
from websockets.exceptions import ConnectionClosed

RATE = 16_000
FRAME_S = 0.1
FRAME_BYTES = int(FRAME_S * RATE) * 2


def client() -> DeepgramClient:
    """Make an SDK client for the server. The SDK accepts another server only as an environment, and needs a key."""
    url = os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080")
    http = url.replace("ws", "http", 1)
    here = DeepgramClientEnvironment(base=http, production=url, agent=url, agent_rest=http)
    return DeepgramClient(api_key=os.environ.get("DEEPGRAM_API_KEY", "none"), environment=here)


def speak(live: V1SocketClient, audio: bytes) -> None:
    """Send audio as fast as it would be spoken; a microphone would set the pace by itself."""
    for at in range(0, len(audio), FRAME_BYTES):
        live.send_media(audio[at : at + FRAME_BYTES])
        time.sleep(FRAME_S)


def pause(live: V1SocketClient, seconds: float, every: float) -> None:
    """Hold the line without sending audio. The SDK does nothing for that by itself."""
    live.send_finalize()  # otherwise the last words stay interim until the pause ends
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > every:
        time.sleep(every)
        live.send_keep_alive()
    time.sleep(left)


def main(file: str, pause_at: float = 3, pause_for: float = 12, every: float = 4) -> None:
    """Stream the file, with a pause in the middle."""
    with wave.open(file) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (RATE, 1, 2):
            sys.exit(f"{file} is not 16 kHz mono linear16")
        audio = wav.readframes(wav.getnframes())
    cut = int(pause_at * RATE) * 2
    starts: list[float] = []
    durations: list[float] = []
    errors: list[Exception] = []

    def show(message: object) -> None:
        kind = getattr(message, "type", None)  # the SDK passes None for message types that it does not know
        if kind == "Metadata":
            durations.append(message.duration)
        elif kind == "Results" and message.is_final and (words := message.channel.alternatives[0].transcript):
            starts.append(message.start)
            print(f"{message.start:7.2f} {message.start + message.duration:7.2f}  {words}", flush=True)

    opened_at = time.monotonic()
    with client().listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate=str(RATE), punctuate="true"
    ) as live:
        live.on(EventType.MESSAGE, show)
        live.on(EventType.ERROR, errors.append)
        listening = threading.Thread(target=live.start_listening)  # returns when the server has closed
        listening.start()
        try:
            speak(live, audio[:cut])
            pause(live, pause_for, every)
            speak(live, audio[cut:])
            live.send_close_stream()  # requests the last words, Metadata and the close
        except ConnectionClosed as closed:
            errors.append(closed)
        listening.join()

    if errors:
        sys.exit(f"the server hung up: {errors[0]}")
    if not durations:
        sys.exit("the server closed without Metadata")
    print(f"{durations[0]:.2f} s of audio, {time.monotonic() - opened_at:.1f} s on the line")
    # Stream time stood still: words after the pause start where the audio before it ended.
    if not any(start > pause_at - 0.01 for start in starts):
        sys.exit("no words came after the pause")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(sys.argv[1], *map(float, sys.argv[2:]))
