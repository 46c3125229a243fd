"""Post a recording with a callback: the server answers at once and delivers the words to a receiver, which runs here.

python callback.py FILE; CAESURA_URL and DEEPGRAM_API_KEY are as in the other examples. The receiver is on this machine,
so the server has to be started with --allow-private-urls.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

url = os.environ.get("CAESURA_URL", "ws://127.0.0.1:8080").replace("ws", "http", 1)
key = os.environ.get("DEEPGRAM_API_KEY")


class Receiver(BaseHTTPRequestHandler):
    """Prints the result that is delivered."""

    def do_POST(self):
        """Receive the response that the client would have received, or the error."""
        answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)  # anything but 2xx, and it is sent again
        self.end_headers()
        if "results" in answer:
            print(answer["results"]["channels"][0]["alternatives"][0]["transcript"])
        else:
            print(answer["err_msg"])


with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
    query = urlencode({"smart_format": "true", "callback": f"http://127.0.0.1:{receiver.server_port}/words"})
    headers = {"Authorization": f"Token {key}"} if key else {}
    headers["Content-Type"] = "application/octet-stream"
    with urlopen(Request(f"{url}/v1/listen?{query}", Path(sys.argv[1]).read_bytes(), headers)) as response:
        print("accepted:", json.load(response)["request_id"], flush=True)
    receiver.handle_request()
