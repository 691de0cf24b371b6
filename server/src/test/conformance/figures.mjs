#!/usr/bin/env node
// Measures what a server promises about speed, medians of several rounds: tokens a second of 1 and of 8 clients, time
// between tokens while long prompts arrive, a short prompt beside a long one, a shared beginning, four endings scored.
// For a context of 1,024 tokens; with a shorter one the prompts are shorter.
import { options, connect, sleep } from "./lib/kit.mjs";
const o = options(
  process.argv.slice(2),
  "usage: node figures.mjs BASE_URL [MODEL] [--rounds 5] [--only clients,between,beside,prefix,endings] [--api-key K]",
);
const t = await connect(o),
  rounds = +(o.rounds ?? 5),
  only = o.only ? new Set(String(o.only).split(",")) : null;
const entry = (await t.raw("GET", "/v1/models")).json.data[0],
  context = entry.max_model_len ?? 1024,
  vocabulary = Math.min(entry.meta?.n_vocab ?? 50000, 50000) - 10,
  scaled = n => Math.floor((n * Math.min(context, 1024)) / 1024);
let state = Date.now() >>> 0;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296,
  ids = n => Array.from({ length: n }, () => 5 + Math.floor(random() * (vocabulary - 5))),
  median = a => [...a].sort((x, y) => x - y)[a.length >> 1],
  quantile = (a, q) => [...a].sort((x, y) => x - y)[Math.min(a.length - 1, Math.floor(q * a.length))],
  now = () => performance.now();

/** Generates; calls onToken(ms since the request). Returns the ms to the end. */
async function generate(prompt, tokens, onToken = () => {}, more = {}) {
  const at = now();
  await t.stream(
    "/v1/completions",
    { prompt, max_tokens: tokens, temperature: 0, ignore_eos: true, ...more },
    { onEvent: () => onToken(now() - at) },
  );
  return now() - at;
}
async function first(prompt, more) {
  let ms = null;
  await generate(prompt, 4, at => (ms ??= at), more);
  return ms;
}
const ratio = (name, value, unit = "") => console.log(`${name.padEnd(58)} ${value.toFixed(2)}${unit}`);

async function tokensPerSecond(clients, tokens) {
  const at = now();
  await Promise.all(Array.from({ length: clients }, () => generate(ids(16), tokens)));
  return (1000 * clients * tokens) / (now() - at);
}
const tests = {
  async clients() {
    const one = [],
      eight = [];
    for (let i = 0; i < rounds; i++) {
      one.push(await tokensPerSecond(1, scaled(96)));
      eight.push(await tokensPerSecond(8, scaled(96)));
    }
    ratio("one client", median(one), " tokens/s");
    ratio("eight clients", median(eight), " tokens/s");
    ratio("eight clients, times one", median(eight) / median(one));
  },
  async between() {
    for (const pause of [0, 1000, 3000]) {
      const gaps = [];
      let going = true;
      const readers = Array.from({ length: 4 }, async () => {
        while (going) {
          let last = null;
          await generate(ids(16), scaled(200), at => {
            if (last !== null) gaps.push(at - last);
            last = at;
          });
        }
      });
      const until = now() + 3000 * rounds;
      while (now() < until) {
        await first(ids(scaled(900)));
        await sleep(pause);
      }
      going = false;
      await Promise.all(readers);
      const p50 = quantile(gaps, 0.5),
        p99 = quantile(gaps, 0.99);
      console.log(`between tokens, a long prompt each ${pause} ms: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${(p99 / p50).toFixed(2)} times`);
    }
  },
  async beside() {
    const all = [],
      long = [];
    for (let i = 0; i < rounds; i++) {
      const other = first(ids(scaled(1000)));
      await sleep(20 + 40 * (i % 5));
      all.push(await first(ids(10)));
      long.push(await other);
    }
    ratio("first token of a long prompt", median(long), " ms");
    ratio("first token of a short one beside it", median(all), " ms");
    ratio("the slowest", Math.max(...all), " ms");
  },
  async prefix() {
    const cold = [],
      warm = [];
    for (let i = 0; i < rounds; i++) {
      const shared = ids(scaled(800));
      cold.push(await first([...shared, ...ids(10)]));
      warm.push(await first([...shared, ...ids(10)]));
    }
    ratio("first token of a new prompt", median(cold), " ms");
    ratio("first token behind a shared beginning", median(warm), " ms");
    ratio("times sooner", median(cold) / median(warm));
  },
  async endings() {
    const ask = prompt => t.completion({ prompt, temperature: 0, max_tokens: 1, logprobs: 1, echo: true, seed: 1234 });
    for (const length of [300, 500, 800]) {
      const one = [],
        list = [],
        apart = [],
        together = [];
      const endings = () => {
        const shared = ids(scaled(length));
        return Array.from({ length: 4 }, () => [...shared, ...ids(10)]);
      };
      const timed = async (all, run) => {
        const at = now();
        await run();
        all.push(now() - at);
      };
      for (let i = 0; i < rounds; i++) {
        await timed(one, () => ask([endings()[0]]));
        await timed(list, () => ask(endings()));
        await timed(apart, async () => {
          for (const prompt of endings()) await ask(prompt);
        });
        await timed(together, () => Promise.all(endings().map(ask)));
      }
      ratio(`one ending of ${length} tokens`, median(one), " ms");
      ratio("four in a list, times one", median(list) / median(one));
      ratio("four one after the other, times one", median(apart) / median(one));
      ratio("four at once, times one", median(together) / median(one));
    }
  },
};
for (let i = 0; i < 3; i++) await Promise.all([tokensPerSecond(5, 40), first(ids(scaled(600)))]); // the first forwards compile
for (const [name, run] of Object.entries(tests)) if (!only || only.has(name)) await run();
