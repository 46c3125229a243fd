// Stream a WAV file with the `ws` package and nothing else, with a pause in the middle.
//
//   node bare_ws.mjs FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]
//
// FILE is 16 kHz mono linear16; the times are in seconds, by default 3, 12 and 4. CAESURA_URL is the address
// of the server (by default ws://127.0.0.1:8080), DEEPGRAM_API_KEY the key, if one is needed.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

const [file, ...times] = process.argv.slice(2);
const [pauseAt, pauseFor, every] = [3, 12, 4].map((usual, i) => Number(times[i] ?? usual));
const { CAESURA_URL: url = "ws://127.0.0.1:8080", DEEPGRAM_API_KEY: key } = process.env;

const RATE = 16000;
const FRAME_MS = 100;
const FRAME_BYTES = (FRAME_MS * RATE * 2) / 1000;

function fail(why) {
  console.error(why);
  process.exit(1);
}

// Audio goes as fast as it would be spoken; a microphone would set the pace by itself.
async function speak(audio) {
  for (let at = 0; at < audio.length; at += FRAME_BYTES) {
    line.send(audio.subarray(at, at + FRAME_BYTES)); // a Buffer becomes a binary frame: always audio
    await sleep(FRAME_MS);
  }
}

// Holds the line without sending audio.
async function pause() {
  line.send(JSON.stringify({ type: "Finalize" })); // otherwise the last words stay interim until the pause ends
  const until = performance.now() + pauseFor * 1000;
  while (until - performance.now() > every * 1000) {
    await sleep(every * 1000);
    line.send(JSON.stringify({ type: "KeepAlive" })); // a string becomes a text frame: always control
  }
  await sleep(until - performance.now());
}

if (!file) fail("usage: node bare_ws.mjs FILE [PAUSE_AT [PAUSE_FOR [KEEPALIVE_EVERY]]]");
const wav = readFileSync(file);
if (wav.readUInt16LE(22) !== 1 || wav.readUInt32LE(24) !== RATE) fail(`${file} is not 16 kHz mono linear16`);
const samples = wav.subarray(wav.indexOf("data") + 8); // the chunk's name and length are 4 bytes each
const cut = Math.trunc(pauseAt * RATE) * 2;

const query = new URLSearchParams({ model: "nova-3", encoding: "linear16", sample_rate: RATE, punctuate: true });
const line = new WebSocket(`${url}/v1/listen?${query}`, { headers: key ? { Authorization: `Token ${key}` } : {} });

let metadata;
let heardAfter = false;
line.on("message", (text) => {
  const message = JSON.parse(text);
  if (message.type === "Metadata") metadata = message;
  if (message.type !== "Results" || !message.is_final) return;
  const { start, duration, channel } = message;
  const words = channel.alternatives[0].transcript;
  if (!words) return;
  console.log(`${start.toFixed(2).padStart(7)} ${(start + duration).toFixed(2).padStart(7)}  ${words}`);
  // Stream time stood still: what comes after the pause starts where the audio before it ended.
  if (start > pauseAt - 0.01) heardAfter = true;
});

const openedAt = performance.now();
line.on("error", (error) => fail(error.message));
line.on("close", (code, reason) => {
  if (code !== 1000 || !metadata) fail(`the server hung up: ${code} ${reason}`);
  const open = (performance.now() - openedAt) / 1000;
  console.log(`${metadata.duration.toFixed(2)} s of audio, ${open.toFixed(1)} s on the line`);
  if (!heardAfter) fail("no words came after the pause");
});

await once(line, "open");
await speak(samples.subarray(0, cut));
await pause();
await speak(samples.subarray(cut));
line.send(JSON.stringify({ type: "CloseStream" })); // requests the last words, then Metadata, then the close
