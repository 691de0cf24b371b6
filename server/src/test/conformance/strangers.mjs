#!/usr/bin/env node
// Some clients read streams and one asks again and again for the same schema, while many strangers send whatever once cost a
// server more than its sender. Nobody may wait for a stranger, and afterwards all memory must be given back.
import { fork, execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import { options, connect, sleep, sum } from "./lib/kit.mjs";
import { attacks } from "./lib/strangers.mjs";
const o = options(
  process.argv.slice(2),
  `usage: node strangers.mjs BASE_URL [MODEL] [--minutes 1] [--alone 20] [--clients 64] [--api-key K] [--schema-key K0] [--stranger-keys K1,K2] [--pid PID] [--seed 1] [--only KINDS] [--json]
--alone: seconds without strangers, for comparison. --schema-key: of the client that asks for the schema, else that of the streams. --stranger-keys: keys of the strangers, in turn; a server without keys sees each at an address of its own
(--one: all at one). --pid: the server's process, whose memory is then told; with JAVA_HOME its heap, too. Exit status: 0 when between tokens p99 is at most twice
that without strangers, the first token of the schema comes within 1 s, nobody but strangers is refused, no answer is an internal error, and all is given back.`,
);
const clients = Math.min(256, +(o.clients ?? 64)),
  minutes = Math.min(60, +(o.minutes ?? 1)),
  url = new URL(o.positional[0]);
let settledAt = null; // seconds after the last stranger
if (process.send) strangers();
else await main();

/** The other process: sends, leaves sometimes, and counts. */
async function strangers() {
  let state = (+(o.seed ?? 1) * 2654435761) >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
  const kinds = Object.entries(attacks(random)).filter(([name]) => !o.only || o.only.split(",").includes(name)),
    keys = o["stranger-keys"]?.split(","),
    counts = {},
    errors = {},
    end = performance.now() + minutes * 60000;
  let turn = 0;
  const send = (client, agent, attack, leaves) =>
    new Promise(done => {
      const key = keys ? `Bearer ${keys[client % keys.length]}` : null,
        host = url.hostname.replace(/[[\]]/g, ""),
        port = +(url.port || 80),
        localAddress = keys || o.one || host === "::1" ? undefined : `127.0.1.${1 + (client % 250)}`;
      let text = "",
        socket;
      const finish = result => {
        clearTimeout(timer);
        clearTimeout(leave);
        socket?.destroy();
        done({ result, text });
      };
      const timer = setTimeout(() => finish("silent"), 120000),
        leave = leaves && setTimeout(() => finish("left"), leaves);
      if (attack.bytes) {
        socket = net.connect({ port, host, localAddress }, () => socket.write(attack.bytes(key ? `Authorization: ${key}\r\n` : ""), "latin1"));
        socket.on("data", d => (text += d) && finish(/^HTTP\/1\.[01] (\d+)/.exec(text)?.[1] ?? "garbage"));
        socket.on("error", () => finish("closed"));
        socket.on("close", () => finish("closed"));
        return;
      }
      const body = typeof attack.body === "string" ? attack.body : JSON.stringify(attack.body);
      const r = http.request({
        host,
        port,
        agent,
        localAddress,
        method: "POST",
        path: attack.path,
        headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...(key ? { Authorization: key } : {}) },
      });
      if (leaves) socket = { destroy: () => r.destroy() };
      r.on("response", answer => {
        answer.on("data", d => (text = text.length < 4096 ? text + d : text));
        answer.on("end", () => finish(String(answer.statusCode)));
        answer.on("error", () => finish("closed"));
      });
      r.on("error", () => finish("closed"));
      r.end(body);
    });
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const agent = new http.Agent({ keepAlive: true });
      while (performance.now() < end) {
        const [name, make] = kinds[turn++ % kinds.length],
          made = make(url.host),
          attack = made.path || made.bytes ? made : { path: "/v1/completions", body: { prompt: "x", max_tokens: 8, guided_json: made } },
          leaves = random() < 0.25 || name === "body-unfinished" ? 1 + random() * 3000 : 0;
        const { result, text } = await send(client, agent, attack, leaves);
        (counts[name] ??= {})[result] = (counts[name][result] ?? 0) + 1;
        if (result.startsWith("5")) errors[text.slice(0, 300)] = name;
        if (result === "429") await sleep(200 + random() * 800);
      }
      agent.destroy();
    }),
  );
  process.send({ counts, errors });
  process.disconnect();
}

async function main() {
  const t = await connect(o),
    samples = { alone: { gaps: [], first: [] }, beside: { gaps: [], first: [] } },
    refused = [],
    health = [];
  let phase = samples.alone,
    over = false;
  const jcmd = process.env.JAVA_HOME && o.pid ? `${process.env.JAVA_HOME}/bin/jcmd` : null;
  const memory = () => (o.pid ? +/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${o.pid}/status`, "utf8"))[1] / 1024 : NaN);
  /** Megabytes of Java's heap that are in use after a collection; NaN if nobody can tell. */
  const heap = () => {
    try {
      execFileSync(jcmd, [o.pid, "GC.run"], { stdio: "ignore" });
      const text = execFileSync(jcmd, [o.pid, "GC.heap_info"], { encoding: "utf8" });
      return sum([...text.matchAll(/total \d+K, used (\d+)K/g)].map(m => +m[1])) / 1024;
    } catch {
      return NaN;
    }
  };
  const prompt = { prompt: "Emma was", max_tokens: 12, temperature: 0 },
    expected = (await t.completion(prompt)).choices[0].text;
  const schema = Object.assign(Object.create(t), { apiKey: o["schema-key"] ?? t.apiKey });
  const ask = async (by, path, body, onToken) => {
    try {
      await by.stream(path, body, { onEvent: e => (e.json.choices[0]?.text || e.json.choices[0]?.delta?.content) && onToken(), signal: AbortSignal.timeout(120000) });
    } catch (e) {
      if (!over) refused.push(`${path}: ${e.message}`);
      await sleep(500);
    }
  };
  const stream = async i => {
    for (let seed = i; !over; seed += 8) {
      let last = 0,
        mine = phase;
      await ask(t, "/v1/completions", { prompt: "It is a truth", max_tokens: 200, temperature: 1, seed, ignore_eos: true }, () => {
        const now = performance.now();
        if (last && mine === phase) phase.gaps.push(now - last);
        last = now;
        mine = phase;
      });
    }
  };
  const SCHEMA = { type: "object", properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 0, maximum: 99 } }, required: ["name", "age"], additionalProperties: false };
  const compiled = async () => {
    for (let seed = 1; !over; seed++) {
      const at = performance.now(),
        mine = phase;
      let first = 0;
      await ask(
        schema,
        "/v1/chat/completions",
        { messages: [{ role: "user", content: "Who?" }], max_tokens: 24, temperature: 1, seed, response_format: { type: "json_schema", json_schema: { name: "person", schema: SCHEMA } } },
        () => (first ||= performance.now() - at),
      );
      if (first && mine === phase) phase.first.push(first);
      await sleep(200);
    }
  };
  let most = 0;
  const watch = async () => {
    while (!over) {
      const at = performance.now();
      await t
        .raw("GET", "/health")
        .then(r => r.status === 200 || refused.push(`/health: status ${r.status}`))
        .catch(e => refused.push(`/health: ${e.message}`));
      health.push(performance.now() - at);
      most = Math.max(most, memory() || 0);
      await sleep(500);
    }
  };
  const warm = Promise.all([...Array.from({ length: 8 }, (_, i) => stream(i + 1)), compiled(), watch()]);
  await sleep(30000);
  const before = { mb: memory(), heap: heap() };
  await sleep(1000);
  samples.alone.gaps.length = samples.alone.first.length = health.length = 0; // while Java compiled, and collected
  await sleep(1000 * +(o.alone ?? 20));
  phase = samples.beside;
  health.length = 0;
  const other = fork(process.argv[1], process.argv.slice(2));
  os.setPriority(other.pid, 10); // what the kit computes shall not slow the server
  const told = await new Promise(yes => {
    other.once("message", yes);
    other.once("exit", () => yes(null));
  });
  over = true;
  await warm;
  await settled(t);
  const answer = await t.completion(prompt).then(r => r.choices[0].text, e => e.message);
  const after = { mb: memory(), heap: heap() };
  report();

  function quantiles(a) {
    const s = [...a].sort((x, y) => x - y),
      q = p => s[Math.min(s.length - 1, Math.floor(p * s.length))] ?? NaN;
    return { count: s.length, p50: q(0.5), p99: q(0.99), max: s.at(-1) ?? NaN };
  }
  function report() {
    const line = (name, q) => console.log(`${name.padEnd(34)} p50 ${q.p50.toFixed(1)}  p99 ${q.p99.toFixed(1)}  max ${q.max.toFixed(1)} ms  (${q.count})`);
    const [alone, beside, firstAlone, first] = [samples.alone.gaps, samples.beside.gaps, samples.alone.first, samples.beside.first].map(quantiles);
    for (const [kind, counts] of Object.entries(told?.counts ?? {}))
      console.log(`${kind.padEnd(24)} ${Object.entries(counts).map(([status, n]) => `${status}: ${n}`).join("  ")}`);
    for (const [text, kind] of Object.entries(told?.errors ?? {}).slice(0, 9)) console.log(`ERROR ${kind}: ${text}`);
    for (const text of [...new Set(refused)].slice(0, 5)) console.log(`REFUSED ${text.slice(0, 200)}`);
    line("between tokens, alone", alone);
    line("between tokens, beside", beside);
    line("first token of the schema, alone", firstAlone);
    line("first token of the schema, beside", first);
    line("health", quantiles(health));
    console.log(
      `resident ${before.mb.toFixed(0)} MB before, at most ${most.toFixed(0)}, ${after.mb.toFixed(0)} after; heap in use ${before.heap.toFixed(0)} MB before, ${after.heap.toFixed(0)} after`,
    );
    const ratio = beside.p99 / alone.p99,
      internal = Object.keys(told?.errors ?? {}).filter(e => e.includes("internal_error"));
    const bars = {
      "between-tokens": [ratio <= 2, `p99 ${ratio.toFixed(2)} times that without strangers`],
      "first-token": [first.max <= 1000, `${first.max.toFixed(0)} ms at most`],
      "nobody-else-refused": [!refused.length, `${refused.length} refused`],
      "no-internal-error": [told && !internal.length, `${internal.length} kinds of them`],
      "given-back": [settledAt !== null, settledAt === null ? "sequences still run" : `no sequence runs or waits after ${settledAt.toFixed(1)} s`],
      "same-answer": [answer === expected, answer === expected ? "as before" : answer],
    };
    for (const [name, [passed, text]] of Object.entries(bars)) console.log(`${passed ? "PASS" : "FAIL"} ${name}: ${text}`);
    if (o.json) console.log(JSON.stringify({ alone, beside, ratio, first, refused: refused.length, before, most, after, counts: told?.counts }));
    const failed = Object.values(bars).filter(([passed]) => !passed).length;
    console.log(`${Object.keys(bars).length - failed} passed, ${failed} failed`);
    process.exit(failed ? 1 : 0);
  }
}
/** Waits until no sequence runs or waits. */
async function settled(t) {
  const at = performance.now();
  while (settledAt === null && performance.now() - at < 60000) {
    const left = await t.metric(/num_requests_(running|waiting)$/).catch(() => NaN);
    if (left === 0) settledAt = (performance.now() - at) / 1000;
    else await sleep(250);
  }
}
