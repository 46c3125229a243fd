// Where and as whom in, as JSON in the first argument; what the vendor's JavaScript SDK was answered out, a line each.
//
// {url, key, project, other: a project of somebody else, nowhere: an id of nothing, credit: an id, audio: a file}

import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DeepgramClient } from "@deepgram/sdk";

const job = JSON.parse(process.argv[2]);
const say = (step, line) => process.stdout.write(JSON.stringify({ step, ...line }) + "\n");
const http = job.url.replace("ws://", "http://");
const connect = (credential) =>
  new DeepgramClient({
    ...credential,
    maxRetries: 0,
    environment: { base: http, production: job.url, agent: job.url, agentRest: http },
  });
const refused = async (step, call) => {
  try {
    await call();
    say(step, { status: 200 });
  } catch (error) {
    say(step, { status: error.statusCode, code: error.body?.err_code });
  }
};

const client = connect({ apiKey: job.key });
const { models, projects } = client.manage.v1;

const { stt } = await models.list();
await models.get(stt[0].uuid);
say("models", { names: stt.map((model) => model.name) });

say("projects", { ids: (await projects.list()).projects.map((project) => project.project_id) });
await projects.get(job.project);

const made = await projects.keys.create(job.project, { comment: "by node", scopes: ["member"], tags: ["js"] });
const { api_keys } = await projects.keys.list(job.project, { status: "active" });
const shown = await projects.keys.get(job.project, made.api_key_id);
say("key", {
  listed: api_keys.some((each) => each.api_key.api_key_id === made.api_key_id),
  tags: shown.item.member.api_key.tags,
});

const other = connect({ apiKey: made.key });
const told = await other.listen.v1.media.transcribeFile(createReadStream(job.audio), { model: "nova-3" });
say("recording", { transcript: told.results.channels[0].alternatives[0].transcript });

let request;
for (let turn = 0; turn < 100 && !request?.response; turn++) {
  await sleep(50);
  const found = await projects.requests.list(job.project, { request_id: told.metadata.request_id });
  request = found.requests[0];
}
await projects.requests.get(job.project, request.request_id);
say("request", { code: request.code, method: request.response.details.method });

const today = new Date().toISOString().slice(0, 10);
const used = await projects.usage.get(job.project, { start: today, end: today, accessor: made.api_key_id });
say("usage", { units: used.resolution.units });
const mine = { accessor: made.api_key_id };
const breakdown = await projects.usage.breakdown.get(job.project, { ...mine, grouping: "method" });
say("breakdown", { methods: breakdown.results.map((row) => row.grouping.method) });
say("fields", { tags: (await projects.usage.fields.list(job.project)).tags });

const { balances } = await projects.billing.balances.list(job.project);
await projects.billing.balances.get(job.project, job.credit);
say("balance", { id: balances[0].balance_id });
const bill = await projects.billing.breakdown.list(job.project, { ...mine, grouping: ["line_item", "tags"] });
say("bill", { items: bill.results.map((row) => row.grouping.line_item) });

const { members } = await projects.members.list(job.project);
say("member", await projects.members.scopes.list(job.project, members[0].member_id));

const token = await client.auth.v1.tokens.grant({ ttl_seconds: 60 });
say("token", { expires_in: token.expires_in });
await refused("token managing", () => connect({ accessToken: token.access_token }).manage.v1.projects.list());

await projects.keys.delete(job.project, made.api_key_id);
await refused("revoked", () => other.manage.v1.projects.list());
await refused("other project", () => projects.get(job.other));
await refused("bad filter", () => projects.requests.list(job.project, { limit: 0 }));
