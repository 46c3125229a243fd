"""KeepAlive alone: hold a line open without any audio.

python keepalive.py [SECONDS [EVERY]], by default 20 and 4; CAESURA_URL and DEEPGRAM_API_KEY are as in the other
examples.
"""

import os
import sys
import time

from websockets.sync.client import connect

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
every = float(sys.argv[2]) if len(sys.argv) > 2 else 4
url = os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080")
key = os.environ.get("DEEPGRAM_API_KEY")

with connect(
    f"{url}/v1/listen?encoding=linear16&sample_rate=16000",
    additional_headers={"Authorization": f"Token {key}"} if key else {},
) as line:
    for _ in range(round(seconds / every)):
        time.sleep(every)
        line.send('{"type":"KeepAlive"}')  # a str is a text frame; as bytes it would be audio
    line.send('{"type":"CloseStream"}')
    for message in line:
        print(message)  # Metadata and nothing else: a KeepAlive is not answered
