// What to do in, as JSON in the first argument; what the vendor's JavaScript SDK told its callbacks out, a JSON line each.
//
// {url, key | accessToken, asked: {query parameters}, frame: bytes, steps: [...]}; a step is one of
//   {audio: FILE, pace: seconds a frame}   {hold: seconds, every: seconds}   {finalize: true}   {close: true}
// `finalize` waits for its answer. After the last step it waits for the server to close, says so, and leaves.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DeepgramClient } from "@deepgram/sdk";

const job = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const credential = job.accessToken ? { accessToken: job.accessToken } : { apiKey: job.key };
const http = job.url.replace("ws://", "http://");
const client = new DeepgramClient({
  ...credential,
  environment: { base: http, production: job.url, agent: job.url, agentRest: http },
});

const live = await client.listen.v1.connect(job.asked);
let finalized;
const answer = new Promise((resolve) => (finalized = resolve));
let opened = false;
live.on("open", () => (opened = true));
// The SDK connects again after every close but 1000; here the first close is what we want to see, so we leave at it.
// Of a refused upgrade it tells a close of its own making first, and then the error.
live.on("close", (event) => {
  if (!opened) return;
  say({ event: "close", code: event.code, reason: event.reason });
  process.exit(0);
});
live.on("error", (error) => {
  say({ event: "error", message: error.message });
  process.exit(0);
});
live.on("message", (message) => {
  say({ event: "message", message });
  if (message.from_finalize) finalized();
});
live.connect();
await live.waitForOpen();

for (const step of job.steps) {
  if (step.audio) {
    const audio = readFileSync(step.audio);
    for (let at = 0; at < audio.length; at += job.frame) {
      live.sendMedia(audio.subarray(at, at + job.frame));
      await sleep(step.pace * 1000);
    }
  } else if (step.hold) {
    say({ event: "hold" });
    for (let held = 0; held < step.hold; held += step.every) {
      live.sendKeepAlive({ type: "KeepAlive" });
      await sleep(step.every * 1000);
    }
    say({ event: "resume" });
  } else if (step.finalize) {
    live.sendFinalize({ type: "Finalize" });
    await answer;
  } else if (step.close) {
    live.sendCloseStream({ type: "CloseStream" });
  }
}
