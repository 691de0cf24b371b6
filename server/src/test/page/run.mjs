// Uses the page of a running server as a person does: node run.mjs CHROMIUM LAUNCHER BASE_URL [PICTURES].
// LAUNCHER is the program causal4j, whose scores the page must show; PICTURES a folder for screenshots.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [program, launcher, base, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TEXT = "It is a truth universally acknowledged, that a";
const LONG = `${TEXT} single man in possession of a good fortune, must be in want of a wife.`;

const same = (got, expected, what) => {
  if (JSON.stringify(got) !== JSON.stringify(expected)) throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
};
const ok = (condition, what) => same(Boolean(condition), true, what);

const checks = [];
const check = (name, run) => checks.push({ name, run });

const idle = page => page.waitForFunction(() => !document.body.classList.contains("busy"));
const tokens = (page, root = "#write-tokens") => page.locator(`${root} .t`).evaluateAll(all => all.map(span => span.textContent));
const status = page => page.locator("#status").textContent();

async function write(page, { text = TEXT, length = 12, seed = 7, wait = true } = {}) {
  await page.fill("[name=max_tokens]", String(length));
  await page.fill("[name=seed]", String(seed));
  await page.fill("#write-text", text);
  await page.click("#write-go");
  await page.waitForSelector(".begins");
  if (wait) await idle(page);
  return page.locator(".begins").evaluate(span => [...span.parentNode.children].indexOf(span));
}

async function score(page, text = LONG) {
  await page.click("#tab-score");
  await page.fill("#score-a .text", text);
  await page.click("#score-go");
  await page.waitForSelector("#score-a .sums dd");
  await idle(page);
}

async function chat(page, { text = "Who is Emma?", length = "8", seed = "", turn = 1, wait = true } = {}) {
  if (!(await page.locator("#chat").isVisible())) await page.click("#tab-chat");
  if (length) await page.fill("[name=max_tokens]", length);
  await page.fill("[name=seed]", seed);
  await page.fill("#chat-text", text);
  await page.keyboard.press("Enter");
  await page.waitForSelector(`#chat-turns article:nth-child(${turn}) .t`);
  if (wait) await idle(page);
}

check("streamed-tokens-are-shown-as-they-come", async page => {
  const seen = await page.evaluate(() => {
    const counts = (window.counts = new Set());
    new MutationObserver(() => counts.add(document.querySelectorAll("#write-tokens .t").length)).observe(document.querySelector("#write-tokens"), { childList: true });
    return counts.size;
  });
  same(seen, 0, "tokens before");
  const begins = await write(page, { length: 60 });
  ok((await page.evaluate(() => window.counts.size)) > 3, "tokens came in several steps");
  const all = await tokens(page);
  same(all.slice(0, begins).join(""), TEXT, "the prompt");
  same(all.length, begins + 60, "tokens");
  ok((await page.locator("#facts").textContent()).match(/Seed7Fingerprint.+Speed.+tokens\/sFirst token\d+ ms/), "the facts of the request");
});

check("sentences-are-announced-not-tokens", async page => {
  await page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.querySelector("#live").textContent)).observe(document.querySelector("#live"), { childList: true });
  });
  const begins = await write(page, { text: LONG, length: 110, seed: 3 });
  const text = (await tokens(page)).slice(begins).join("");
  const said = await page.evaluate(() => window.said);
  same(said.length > 0, /[.!?]["'”’)]*\s/.test(text), "something was said");
  for (const sentence of said) ok(/[.!?…]["'”’)]*$/.test(sentence) && text.includes(sentence), `"${sentence}" is a sentence`);
});

check("stop-ends-the-request-and-the-server-is-free", async page => {
  await page.evaluate(() =>
    new MutationObserver((_, observer) => {
      if (!document.querySelector(".begins")) return;
      observer.disconnect();
      document.querySelector("#write-go").click();
    }).observe(document.querySelector("#write-tokens"), { childList: true }),
  );
  await write(page, { length: 200, wait: false });
  await page.waitForFunction(() => document.querySelector("#status").textContent === "Cancelled. The server is free.");
  ok((await tokens(page)).length < 200, "it ended early");
  same(await page.locator("#write-go").textContent(), "Continue", "the button");
});

check("continuing-with-the-seed-gives-what-one-request-gives", async page => {
  await write(page, { length: 20 });
  const whole = await tokens(page);
  await page.click("#new");
  await write(page, { length: 8 });
  await page.fill("[name=max_tokens]", "12");
  await page.click("#write-go");
  await page.waitForFunction(n => document.querySelectorAll("#write-tokens .t").length === n, whole.length);
  same(await tokens(page), whole, "tokens");
});

check("another-begins-again-with-a-new-seed", async page => {
  const begins = await write(page);
  const before = await tokens(page);
  await page.click("#write-again");
  await page.waitForSelector("#tree li:nth-child(2)");
  await idle(page);
  const after = await tokens(page);
  same([after.length, after.slice(0, begins)], [before.length, before.slice(0, begins)], "the beginning");
  ok(after.join() !== before.join(), "another text");
});

async function branched(page, take) {
  const place = (await write(page)) + 3;
  const before = await tokens(page);
  const chosen = await take(page.locator("#write-tokens .t").nth(place));
  await page.waitForSelector("#tree li:nth-child(2)");
  await idle(page);
  const after = await tokens(page);
  same(after.slice(0, place), before.slice(0, place), "the prefix");
  same(after[place].trim(), chosen.replaceAll("·", " ").trim(), "the chosen token");
  same(after.length, place + 1 + 12, "tokens of prefix, choice and continuation");
  await page.locator("#tree li").first().click();
  same(await tokens(page), before, "the old branch");
}

check("a-click-on-an-alternative-branches", page =>
  branched(page, async token => {
    await token.hover();
    const row = page.locator("#alternatives li[aria-selected=false]").first();
    const name = await row.locator("bdi").textContent();
    await row.click();
    return name;
  }),
);

check("the-keyboard-alone-branches-and-walks-branches", page =>
  branched(page, async token => {
    await page.focus("#write-tokens .t[tabindex='0']");
    await page.keyboard.press("Home");
    const place = await token.evaluate(span => [...span.parentNode.children].indexOf(span));
    for (let i = 0; i < place; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    same(await page.evaluate(() => document.activeElement.getAttribute("aria-selected")), "true", "the focus is on the chosen token");
    await page.keyboard.press("Home");
    if ((await page.evaluate(() => document.activeElement.getAttribute("aria-selected"))) === "true") await page.keyboard.press("ArrowDown");
    const name = await page.locator("#alternatives li:focus bdi").textContent();
    await page.keyboard.press("Enter");
    await page.waitForSelector("#tree li:nth-child(2)");
    await idle(page);
    await page.focus("#tree li[tabindex='0']");
    const branch = await tokens(page);
    await page.keyboard.press("ArrowUp");
    ok(JSON.stringify(await tokens(page)) !== JSON.stringify(branch), "an arrow shows the other branch");
    await page.keyboard.press("ArrowDown");
    same(await tokens(page), branch, "the branch again");
    return name;
  }),
);

check("a-score-is-the-command-lines", async page => {
  await score(page);
  const own = JSON.parse(execFileSync(launcher, ["score", "--json", LONG], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const shown = await page.locator("#score-a .sums dd").allTextContents();
  same(shown, [own.perplexity.toFixed(4), own.bits_per_byte.toFixed(4), (own.nll / Math.LN2).toFixed(2), `${own.scored_tokens}`, `${own.scored_bytes}`], "figures");
  const worst = own.logprobs.indexOf(Math.min(...own.logprobs));
  ok((await page.locator("#score-a .places li").first().textContent()).includes(own.pieces[worst].trim()), "the most surprising place");
});

check("two-texts-are-compared", async page => {
  await score(page);
  await page.check("#compare");
  await page.fill("#score-b .text", LONG.replace("wife", "horse"));
  await page.click("#score-go");
  await page.waitForSelector("#difference:not([hidden])");
  ok(/^The (first|second) text is likelier by \d+\.\d\d bits\./.test(await page.locator("#difference").textContent()), "the difference");
});

check("a-text-longer-than-the-context-is-scored-in-windows", async page => {
  const text = Array(20).fill(LONG).join(" ");
  await score(page, text);
  same((await tokens(page, "#score-a .tokens")).join(""), text, "the text");
  ok((await status(page)).includes("windows"), "it says so");
});

check("a-chat-shows-tokens-and-branches", async page => {
  await chat(page);
  const before = await tokens(page, "#chat-turns");
  await page.locator("#chat-turns .t").nth(2).hover();
  await page.locator("#alternatives li[aria-selected=false]").first().click();
  await page.waitForSelector("#tree li:nth-child(2)");
  await idle(page);
  same((await tokens(page, "#chat-turns")).slice(0, 2), before.slice(0, 2), "the prefix");
});

check("an-answer-goes-on-until-the-context-is-full-and-says-so", async page => {
  await chat(page, { length: "", seed: "1", wait: false });
  await page.fill("#chat-text", "typed");
  await idle(page);
  same(await page.inputValue("#chat-text"), "typed", "what is typed meanwhile");
  ok((await tokens(page, "#chat-turns")).length > 60, "more than 60 tokens");
  same(await status(page), "Stopped: the context of 256 tokens is full.", "the reason");
  same(await page.inputValue("[name=max_tokens]"), "", "the length of a chat");
  await page.setViewportSize({ width: 390, height: 500 });
  await page.evaluate(() => scrollTo(0, 0));
  const line = await page.locator("#status").boundingBox();
  ok(line.y > 0 && line.y + line.height <= 500, "the line is on the screen beside a long answer");
  const box = await page.locator("#chat-box").boundingBox();
  ok(box.y > 0 && box.y + box.height <= line.y + 1, "so is the message, above it");
  await chat(page, { text: "And who is he?", turn: 2 });
  same(await status(page), "Stopped after 8 tokens, the length in the settings. The model no longer sees the oldest 2 messages.", "the next turn");
  await page.click("#tab-write");
  same(await page.inputValue("[name=max_tokens]"), "60", "the length of a text");
});

const MOOD = { type: "object", properties: { mood: { enum: ["calm", "merry"] } }, required: ["mood"], additionalProperties: false };
const TOOLS = [{ type: "function", function: { name: "visit", parameters: { type: "object", properties: { house: { enum: ["Donwell"] } }, required: ["house"], additionalProperties: false } } }];

async function shape(page, { schema = "", tools = "", required = false }) {
  await page.click("#tab-chat");
  if (!(await page.locator("[name=schema]").isVisible())) await page.click("#shape summary");
  await page.fill("[name=schema]", schema && JSON.stringify(schema));
  await page.fill("[name=tools]", tools && JSON.stringify(tools));
  await page.setChecked("[name=required]", required);
}

check("an-answer-holds-its-schema-also-another-one-and-that-of-a-link", async (page, open) => {
  await shape(page, { schema: MOOD });
  await chat(page, { length: "", seed: "3" });
  const text = async page => (await tokens(page, "#chat-turns")).join("").replace(/<\|endoftext\|>$/, "");
  const holds = async page => ok(["calm", "merry"].includes(JSON.parse(await text(page)).mood), await text(page));
  await holds(page);
  same(await status(page), "Finished: the text came to its end.", "the reason");
  await page.click("#chat-again");
  await page.waitForSelector("#tree li:nth-child(2)");
  await idle(page);
  await holds(page);
  const other = await open(page.url());
  await other.waitForFunction(() => document.querySelector("#status").textContent.startsWith("The same text again"));
  same(await text(other), await text(page), "the text of the link");
});

check("calls-are-shown-and-get-their-results", async page => {
  await shape(page, { tools: TOOLS, required: true });
  await chat(page, { length: "", seed: "3" });
  same(await page.locator(".calls li b").allTextContents(), ["visit"], "names");
  same(JSON.parse(await page.locator(".calls code").textContent()), { house: "Donwell" }, "arguments");
  same(await page.locator("#chat-text").getAttribute("placeholder"), "The result of visit. Enter sends.", "what is asked for");
  await page.setChecked("[name=required]", false);
  await chat(page, { text: "They had tea.", turn: 2 });
  same(await page.locator("#chat-turns article:nth-child(2) h2").first().textContent(), "Result of visit", "the heading");
});

check("a-schema-that-is-no-json-is-marked", async page => {
  await shape(page, {});
  await page.fill("[name=schema]", "{");
  await page.click("#shape summary");
  await page.fill("#chat-text", "typed");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#problem:not([hidden])");
  same(await page.locator("#problem").textContent(), "settings: expected valid values, got a wrong one; it is marked", "the problem");
  ok(await page.locator("[name=schema]").isVisible(), "it is on the page");
  same(await page.inputValue("#chat-text"), "typed", "what was typed");
});

check("why-a-text-ends-is-said", async page => {
  await write(page);
  same(await status(page), "Stopped after 12 tokens, the length in the settings.", "a length");
  await page.click("#more summary");
  await page.fill("[name=stop]", "e");
  await page.click("#new");
  await write(page, { length: 100 });
  same(await status(page), "Finished: a stop text came.", "a stop text");
  await page.fill("[name=stop]", "");
  await page.click("#new");
  await write(page, { text: "***END***", seed: 20 });
  same(await status(page), "Finished: the text came to its end.", "an end");
});

check("enter-while-the-model-writes-says-so-and-nothing-typed-is-lost", async page => {
  const waits = "The model is still at work. What you typed stays; Escape stops the model.";
  await page.route("**/completions", () => {}); // holds every answer
  await page.click("#tab-chat");
  await page.fill("#chat-text", "sent");
  await page.keyboard.press("Enter");
  await page.fill("#chat-text", "typed");
  await page.keyboard.press("Enter");
  same([await status(page), await page.inputValue("#chat-text")], [waits, "typed"], "in a chat");
  same(await page.locator("#status").getAttribute("role"), "status", "the role of the line");
  await page.keyboard.press("Escape");
  await idle(page);
  same(await page.inputValue("#chat-text"), "sent\ntyped", "both texts");
  await page.click("#tab-write");
  await page.fill("#write-text", TEXT);
  await page.keyboard.press("Control+Enter");
  await page.keyboard.press("Control+Enter");
  same([await status(page), await page.inputValue("#write-text")], [waits, TEXT], "in a text");
});

check("a-link-gives-the-same-text-again", async (page, open) => {
  const place = (await write(page)) + 4;
  await page.locator("#write-tokens .t").nth(place).hover();
  await page.locator("#alternatives li[aria-selected=false]").first().click();
  await page.waitForSelector("#tree li:nth-child(2)");
  await idle(page);
  await page.click("#link");
  const other = await open(page.url());
  await other.waitForFunction(() => document.querySelector("#status").textContent.startsWith("The same text again"));
  same(await tokens(other), await tokens(page), "tokens");
});

check("a-link-of-another-model-says-so-and-a-broken-one-is-refused", async (page, open) => {
  await write(page);
  await page.click("#link");
  const link = JSON.parse(Buffer.from(page.url().split("#")[1], "base64url"));
  Object.assign(link, { fingerprint: "another", hash: 1 });
  const other = await open(`${base}/#${Buffer.from(JSON.stringify(link)).toString("base64url")}`);
  await other.waitForFunction(() => document.querySelector("#status").textContent.includes("(another)"));
  const broken = await open(`${base}/#nonsense`);
  await broken.waitForSelector("#problem:not([hidden])");
  ok((await broken.locator("#problem").textContent()).startsWith("link: expected"), "one line");
});

check("the-history-keeps-texts", async page => {
  await write(page);
  const before = await tokens(page);
  await page.click("#new");
  same(await tokens(page), [], "an empty page");
  await page.click("#past summary");
  await page.locator("#items button").first().click();
  await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("The same text again"));
  same(await tokens(page), before, "tokens");
});

check("markup-in-a-text-stays-text", async page => {
  const text = "<img src=x onerror=alert(1)> <b>&amp;</b>\u202e \u0007";
  await score(page, text);
  same((await tokens(page, "#score-a .tokens")).join(""), text, "the text");
  same(await page.locator("img, main b").count(), 0, "elements");
});

check("the-keyboard-reaches-every-control", async page => {
  await write(page);
  await page.click("#more summary");
  await page.click("#request summary");
  await page.click("#past summary");
  await page.focus("#new");
  const reached = new Set();
  for (let i = 0; i < 80; i++) {
    reached.add(await page.evaluate(() => (document.activeElement.dataset.seen = "yes")));
    await page.keyboard.press("Tab");
  }
  const missed = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, textarea, summary, [role=listbox], [role=tree]")]
      .filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 !== e.matches("[role]:not(button)") && e.type !== "radio")
      .filter(e => !e.dataset.seen && !e.querySelector("[data-seen]"))
      .map(e => e.id || e.name || e.textContent),
  );
  same(missed, [], "controls that no tab reaches");
});

check("the-code-is-the-request", async page => {
  const text = "It's \"so\" \\ very";
  await page.fill("#write-text", text);
  await page.fill("[name=seed]", "3");
  await page.click("#request summary");
  const code = () => page.locator("#code").textContent();
  await page.waitForFunction(() => document.querySelector("#code").textContent !== "");
  const body = JSON.parse(await code());
  same([body.prompt, body.max_tokens, body.seed], [text, 60, 3], "fields");
  await page.check("[value=curl]");
  const data = execFileSync("bash", ["-c", `curl() { printf %s "\${@: -1}"; }; ${await code()}`], { encoding: "utf8" });
  same(JSON.parse(data), body, "what a shell gives to curl");
  await page.check("[value=python]");
  ok((await code()).includes(JSON.stringify(text)), "Python's prompt");
  await page.check("[value=java]");
  ok((await code()).includes(JSON.stringify(text).replaceAll("\\", "\\\\")), "Java's prompt");
});

check("right-to-left-text-leaves-what-surrounds-it-in-order", async (page, open) => {
  const hebrew = "שלום עולם";
  const alone = async (page, where) => {
    const found = await page.evaluate(() => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, node => (/[\u0590-\u05ff]/.test(node.data) ? 1 : 3));
      const mixed = [];
      let count = 0;
      for (; texts.nextNode(); count++) {
        const own = texts.currentNode.parentNode.closest("[dir=auto], bdi, pre, textarea");
        if (!own || (own.localName !== "pre" && getComputedStyle(own).direction !== "rtl")) mixed.push(texts.currentNode.data);
      }
      return { count, mixed };
    });
    ok(found.count > 0, `some in ${where}`);
    same(found.mixed, [], `texts without a direction of their own in ${where}`);
  };
  await chat(page, { text: hebrew });
  await alone(page, "a chat");
  await page.click("#tab-write");
  await write(page, { text: `${hebrew} 12` });
  await page.click("#past summary");
  same(await page.locator("#tree .name").first().evaluate(name => getComputedStyle(name).direction), "rtl", "a branch's name");
  await alone(page, "a text, its branches and the history");
  await page.click("#tab-score");
  same(await page.locator("#score-a .text").evaluate(area => getComputedStyle(area).direction), "rtl", "a text area");
  await score(page, hebrew);
  const place = page.locator(".places bdi", { hasText: "ם" }).first();
  const [before, token] = await place.evaluate(each => [...each.children].map(part => part.getBoundingClientRect().left));
  ok(token < before, "a token stands left of what is before it");
  const link = JSON.parse(Buffer.from(page.url().split("#")[1], "base64url"));
  Object.assign(link, { model: "דגם", fingerprint: "12", hash: 1 });
  const other = await open(`${base}/#${Buffer.from(JSON.stringify(link)).toString("base64url")}`);
  await other.waitForFunction(() => document.querySelector("#status").textContent.includes("(12)"));
  const [model, fingerprint] = await other.locator("#status").evaluate(line => {
    const whole = document.createRange();
    const left = text => {
      const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
      while (!texts.nextNode().data.includes(text));
      const start = texts.currentNode.data.indexOf(text);
      whole.setStart(texts.currentNode, start);
      whole.setEnd(texts.currentNode, start + text.length);
      return whole.getBoundingClientRect().left;
    };
    return ["דגם", "12"].map(left);
  });
  ok(model < fingerprint, "a line of the page runs from left to right");
});

/** Targets under 24 by 24 pixels. A token is as wide as its text, and as high as any target. */
const small = page =>
  page.evaluate(() =>
    [...document.querySelectorAll("button, input, textarea, summary, label:has(input), [role=treeitem], [role=option]")]
      .filter(e => e.checkVisibility())
      .flatMap(e => [...(e.matches(".t") ? e.getClientRects() : [e.getBoundingClientRect()])].map(box => ({ e, box })))
      .filter(({ e, box }) => box.height < 24 || (box.width < 24 && !e.matches(".t")))
      .map(({ e, box }) => `${e.id || e.name || e.value || e.textContent}: ${box.width} x ${box.height}`),
  );

for (const [name, act] of Object.entries({ write, chat, score })) {
  check(`axe-and-a-ruler-find-nothing-in-${name}-narrow-and-wide-in-light-and-dark`, async page => {
    await page.evaluate(axe);
    const look = async state => {
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        same(await page.evaluate(() => document.documentElement.scrollWidth), width, "width");
        same(await small(page), [], `small targets, ${state} at ${width}`);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
          same(violations.map(v => `${v.id}: ${v.nodes.map(n => n.target).slice(0, 3).join(" ")}`), [], `violations, ${state} at ${width} in ${colorScheme}`);
          if (pictures) await page.screenshot({ path: `${pictures}/${name}-${state}-${width}-${colorScheme}.png`, fullPage: true });
        }
      }
    };
    const alternatives = async () => {
      await page.locator(".t:visible").nth(3).click();
      await page.waitForSelector("#alternatives:not([hidden])");
    };
    await page.click(`#tab-${name}`);
    await look("empty");
    await act(page);
    for (const part of ["more", "request", "past", ...(name === "chat" ? ["shape"] : [])]) await page.click(`#${part} summary`);
    await look("settings");
    await alternatives();
    await look("alternatives");
    await page.setViewportSize({ width: 320, height: 700 });
    await alternatives();
    same(await page.evaluate(() => document.documentElement.scrollWidth), 320, "width");
    const box = await page.locator("#alternatives").boundingBox();
    ok(box.x >= 0 && box.x + box.width <= 320 && box.y + box.height <= 700, "the alternatives are inside");
  });
}

check("the-page-is-small-and-has-no-code-of-others", async page => {
  const files = await page.evaluate(async () => {
    const texts = [await (await fetch("./")).text()];
    for (const { name } of performance.getEntriesByType("resource")) if (/\.(js|css)$/.test(name)) texts.push(await (await fetch(name)).text());
    return texts;
  });
  ok(files.length > 5, "files");
  const bytes = files.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  ok(bytes <= 68 * 1024, `68 KB are enough, not ${bytes} bytes`);
  ok(!files.some(text => /innerHTML|insertAdjacentHTML|document\.write|eval\(/.test(text)), "no text becomes markup or code");
});

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu"] });
let failed = 0;
for (const { name, run } of checks) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(30_000);
  const wrong = [];
  const open = async url => {
    const page = await context.newPage();
    page.on("pageerror", e => wrong.push(e.message));
    page.on("console", m => ["error", "warning"].includes(m.type()) && wrong.push(m.text())); // a breach of the CSP too
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector("#model").textContent !== "");
    return page;
  };
  const start = performance.now();
  try {
    await run(await open(`${base}/`), open);
    same(wrong, [], "the console");
    console.log(`PASS ${name} ${((performance.now() - start) / 1000).toFixed(1)} s`);
  } catch (e) {
    failed++;
    for (const page of context.pages()) wrong.push(await page.evaluate(() => `${document.querySelector("#problem").textContent} ${document.querySelector("#status").textContent}`));
    console.log(`FAIL ${name}: ${e.message.split("\n")[0]} ${wrong.join(" ")}`);
  }
  await context.close();
}
await browser.close();
console.log(`page: ${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
