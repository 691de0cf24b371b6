import { check, ok, same, sleep, Skip } from "../lib/kit.mjs";
import { LONG, SHORT } from "./completions.mjs";

check("health", "server", async t => {
  const r = await t.raw("GET", "/health");
  same(r.status, 200, "status");
});
check("metrics", "server metrics ext", async t => {
  const r = await t.raw("GET", "/metrics");
  if ([404, 501].includes(r.status)) throw new Skip("no /metrics");
  same(r.status, 200, "status");
  ok(/^text\/plain/.test(r.headers.get("content-type")), "content-type");
  for (const line of r.text.split("\n"))
    ok(
      line === "" ||
        line.startsWith("#") ||
        /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\])*",?)*\})? [-+0-9.eEInfNa]+( \d+)?$/.test(line),
      `not a metric: ${line}`,
    );
  const tokens = () => t.metric(/(generation_tokens_total|tokens_predicted_total)$/),
    before = await tokens();
  ok(before !== undefined, "no counter of generated tokens");
  await t.completion({ prompt: SHORT, max_tokens: 9, temperature: 0 });
  const after = await tokens();
  ok(after >= before + 5, `the counter went from ${before} to ${after} for 9 tokens`);
  same(await t.running(), 0, "requests running when idle");
});
check("cors-preflight", "server ext", async t => {
  const r = await t.raw("OPTIONS", "/v1/chat/completions", undefined, {
    Origin: "http://localhost:3000",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
  });
  ok(r.status === 200 || r.status === 204, `status ${r.status}`);
  ok(r.headers.get("access-control-allow-origin"), "no Access-Control-Allow-Origin");
  ok(/authorization|\*/i.test(r.headers.get("access-control-allow-headers") ?? ""), "Access-Control-Allow-Headers");
});
check("page", "server page ext", async t => {
  const r = await t.raw("GET", "/", undefined, { Accept: "text/html" });
  if (r.status === 404) throw new Skip("no page");
  ok(/text\/html/.test(r.headers.get("content-type")) && /<html/i.test(r.text), "not a page");
  ok(!/(src|href)=["']?https?:\/\//i.test(r.text), "the page loads something from elsewhere");
});
check("prefix-of-a-prompt-is-cached", "server cache ext", async t => {
  // Pages of keys and values have 64 positions; this is more than one.
  const prompt = LONG + " " + "good man in possession of a fortune ".repeat(8),
    a = await t.completion({ prompt, max_tokens: 8, temperature: 0 }),
    b = await t.completion({ prompt, max_tokens: 8, temperature: 0 });
  same(b.choices[0].text, a.choices[0].text, "text");
  ok(b.usage.prompt_tokens_details?.cached_tokens > 0, `cached_tokens ${b.usage.prompt_tokens_details?.cached_tokens}`);
  ok(b.usage.prompt_tokens_details.cached_tokens < b.usage.prompt_tokens, "all of the prompt is said to be cached");
});
check("parallel-equals-alone", "server parallel seed", async t => {
  const bodies = [...Array(12).keys()].map(i => ({ prompt: i % 2 ? LONG : SHORT, max_tokens: 20 + i, temperature: i % 3 ? 1 : 0, seed: 100 + i })),
    alone = [];
  for (const b of bodies) alone.push((await t.completion(b)).choices[0].text);
  const together = await Promise.all(
    bodies.map((b, i) => (i % 2 ? t.completion(b).then(r => r.choices[0].text) : t.stream("/v1/completions", b).then(s => t.join(s)[0].text))),
  );
  same(together, alone, "texts of 12 requests at once");
});
check("parallel-log-probabilities-equal-alone", "server parallel logprobs ext", async t => {
  const ask = i =>
      t
        .completion({ prompt: [300 + i, 400, 500 + i, 600, 700], max_tokens: 6, temperature: 0, echo: true, logprobs: 1 })
        .then(r => r.choices[0].logprobs.token_logprobs),
    alone = [];
  for (let i = 0; i < 8; i++) alone.push(await ask(i));
  same(await Promise.all([...Array(8).keys()].map(ask)), alone, "log-probabilities of 8 requests at once");
});
check("cancel-frees-the-slot", "server cancel", async t => {
  const before = await t.running();
  for (let i = 0; i < 6; i++) {
    const a = new AbortController();
    let seen = 0;
    try {
      await t.stream(
        "/v1/completions",
        { prompt: SHORT, max_tokens: 200, temperature: 1, seed: i, ignore_eos: true },
        {
          signal: a.signal,
          onEvent: () => {
            if (++seen === 2) a.abort();
          },
        },
      );
    } catch (e) {
      if (e.name !== "AbortError") throw e;
    }
  }
  for (let i = 0; i < 6; i++) {
    const a = new AbortController(),
      p = t
        .raw(
          "POST",
          "/v1/completions",
          { model: t.model, prompt: SHORT, max_tokens: 200, temperature: 1, seed: i, ignore_eos: true },
          undefined,
          a.signal,
        )
        .catch(e => e);
    await sleep(15);
    a.abort();
    await p;
  }
  const at = performance.now();
  if (before !== undefined) {
    while ((await t.running()) > before) {
      ok(performance.now() - at < 5000, `${await t.running()} requests still run 5 s after their clients left`);
      await sleep(20);
    }
  }
  await t.completion({ prompt: SHORT, max_tokens: 2, temperature: 0 });
  ok(performance.now() - at < 8000, "the next request had to wait");
});
check("requests-end-in-the-order-of-their-work", "server parallel", async t => {
  const at = performance.now(),
    long = t.completion({ prompt: SHORT, max_tokens: 200, temperature: 1, seed: 1, ignore_eos: true }).then(() => performance.now() - at);
  await sleep(5);
  const short = await t.completion({ prompt: LONG, max_tokens: 1, temperature: 0 }).then(() => performance.now() - at),
    rest = await long;
  ok(short < rest || rest < 100, `a request of 1 token took ${Math.round(short)} ms behind one of ${Math.round(rest)} ms`);
});
check("keep-alive-survives-errors", "server errors", async t => {
  for (let i = 0; i < 10; i++) {
    await t.error(400, "POST", "/v1/completions", { model: t.model, prompt: SHORT, max_tokens: -1 });
    await t.completion({ prompt: SHORT, max_tokens: 1, temperature: 0 });
  }
});
