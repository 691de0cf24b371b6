#!/usr/bin/env node
import { options, connect, runChecks } from "./lib/kit.mjs";
const o = options(
  process.argv.slice(2),
  `usage: node run3.mjs BASE_URL [MODEL] [--api-key K] [--second-model NAME] [--only NAMES] [--skip NAMES] [--require NAMES] [--timeout SECONDS] [--list] [--debug]
Third part of the kit: how programs find models (llama.cpp's /props). Same arguments as run.mjs; --second-model names another model
of the same server. Exit status: 0 all passed, 1 some failed, 2 used wrongly.`,
);
for (const f of ["discovery"]) await import(`./checks3/${f}.mjs`);
const t = o.list ? {} : await connect(o);
t.second = o["second-model"];
await runChecks(o, t, "conformance, part 3");
