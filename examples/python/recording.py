"""Post a recording, as a file or by a URL that the server fetches, and print its utterances.

python recording.py FILE-OR-URL; CAESURA_URL and DEEPGRAM_API_KEY are as in the other examples.
"""

import json
import os
import sys
from pathlib import Path
from urllib.request import Request, urlopen

source = sys.argv[1]
url = os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080").replace("ws", "http", 1)
key = os.environ.get("DEEPGRAM_API_KEY")
query = "model=nova-3&smart_format=true&utterances=true"

if source.startswith(("http://", "https://")):
    body, kind = json.dumps({"url": source}).encode(), "application/json"
else:
    body, kind = Path(source).read_bytes(), "application/octet-stream"  # the server detects the format

headers = {"Content-Type": kind} | ({"Authorization": f"Token {key}"} if key else {})
with urlopen(Request(f"{url}/v1/listen?{query}", body, headers)) as response:
    answer = json.load(response)

for utterance in answer["results"]["utterances"]:
    print(f"{utterance['start']:7.2f} {utterance['end']:7.2f}  {utterance['transcript']}")
print(f"{answer['metadata']['duration']:.2f} s of audio")
