// KeepAlive alone: hold a line open without any audio.
//
//   node keepalive.mjs [SECONDS [EVERY]]
//
// By default 20 and 4; CAESURA_URL and DEEPGRAM_API_KEY are as in the other examples.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

const [seconds, every] = [20, 4].map((usual, i) => Number(process.argv[i + 2] ?? usual));
const { CAESURA_URL: url = "ws://127.0.0.1:8080", DEEPGRAM_API_KEY: key } = process.env;

const line = new WebSocket(`${url}/v1/listen?encoding=linear16&sample_rate=16000`, key ? ["token", key] : []);
line.on("message", (text) => console.log(`${text}`)); // Metadata and nothing else: a KeepAlive is not answered
line.on("close", (code, reason) => {
  console.log(`closed: ${code} ${reason}`);
  process.exit(code === 1000 ? 0 : 1);
});
await once(line, "open");
for (let sent = 0; sent < seconds / every; sent++) {
  await sleep(every * 1000);
  line.send('{"type":"KeepAlive"}'); // a string is a text frame; as a Buffer it would be audio
}
line.send('{"type":"CloseStream"}');
