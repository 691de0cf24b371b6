// The server's public API. A token is {id, t, lp, top}: t its text or "bytes:\xe2\x80", lp a natural logarithm or null, top
// [[t, lp]] in falling order; special: no part of the text.

const base = new URL("./", document.baseURI);
export const server = { model: "", context: 0, template: true, ends: [], key: "" };
export const address = path => new URL(path, base).href;

async function call(path, body, signal) {
	const headers = { "Content-Type": "application/json" };
	if (server.key) headers.Authorization = `Bearer ${server.key}`;
	const post = body && { method: "POST", body: JSON.stringify({ model: server.model, ...body }) };
	const answer = await fetch(address(path), { headers, signal, ...post }).catch(e => {
		throw e.name === "AbortError" ? e : new Error(`server: expected an answer from ${base.host}, got none; is it running?`);
	});
	if (answer.ok) return answer;
	const error = await answer.json().then(({ error }) => error, () => null);
	throw Object.assign(new Error(error?.message ?? `server: expected an answer, got status ${answer.status}`), { status: answer.status });
}

const json = (...request) => call(...request).then(answer => answer.json());

export async function connect() {
	const [model] = (await json("v1/models")).data;
	server.model = model.id;
	server.context = model.max_model_len;
	const { chat_template: template, turn_end_ids } = await json("props");
	Object.assign(server, { template: template !== "fallback", ends: turn_end_ids });
}

export const tokenize = async (content, parse_special, signal) =>
	(await json("tokenize", { content, add_special: true, parse_special }, signal)).tokens;

/** Requests that the server computes now. */
export const running = async () => Number(/requests_running(?:\{.*\})? (\d+)/.exec(await (await call("metrics")).text())[1]);

async function* events(answer) {
	let rest = "";
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		const lines = (rest + part.value).split("\n");
		rest = lines.pop();
		for (const line of lines) {
			if (line.startsWith("data: [DONE]")) return;
			if (!line.startsWith("data: ")) continue;
			const event = JSON.parse(line.slice(6));
			if (event.error) throw new Error(event.error.message);
			yield event;
		}
	}
	throw new Error("stream: expected [DONE] at its end, got a closed connection; try again");
}

const falling = (a, b) => b[1] - a[1];
const points = text => [...text].length;

/** told: the code points up to the end of the text that the tokens belong to. */
const ofCompletion = (l, told) =>
	l.tokens.map((t, i) => {
		const width = (l.text_offset[i + 1] ?? told) - l.text_offset[i];
		const token = { id: null, t, lp: l.token_logprobs[i], top: Object.entries(l.top_logprobs[i] ?? {}).sort(falling) };
		if (width <= 0 && !isBytes(t)) token.special = true;
		if (width > 0 && width < points(t) && token.lp === null) token.t = t.replace(/^ /, ""); // SentencePiece's
		return token;
	});

const ofChat = content =>
	content.map(({ token: t, logprob: lp, bytes, top_logprobs }) => {
		const top = top_logprobs.map(a => [a.token, a.logprob]);
		if (!top.some(a => a[0] === t)) top.push([t, lp]);
		return { id: null, t, lp, top: top.sort(falling), special: bytes?.length === 0 };
	});

/** Streams an answer and fills facts. listen(tokens) receives the prompt's tokens first, if the body asks for an echo. */
export async function stream(path, body, signal, facts, listen) {
	const start = performance.now();
	const given = body.echo ? [...body.prompt] : [];
	const ids = []; // of tokens to come
	let told = 0;
	const all = { ...body, stream: true, return_token_ids: true, stream_options: { include_usage: true } };
	for await (const event of events(await call(path, all, signal))) {
		const [choice] = event.choices;
		facts.fingerprint = event.system_fingerprint;
		facts.promptIds ??= event.prompt_token_ids;
		facts.prompt = event.usage?.prompt_tokens;
		facts.written = event.usage?.completion_tokens;
		facts.cached = event.usage?.prompt_tokens_details?.cached_tokens;
		facts.perSecond ??= event.timings?.predicted_per_second;
		if (!choice) continue;
		facts.finish = choice.finish_reason;
		ids.push(...(choice.token_ids ?? []));
		told += points(choice.text ?? "");
		for (const { index, id, function: part } of choice.delta?.tool_calls ?? []) {
			const call = ((facts.calls ??= [])[index] ??= { id, type: "function", function: { name: part.name, arguments: "" } });
			call.function.arguments += part.arguments;
		}
		const l = choice.logprobs;
		const tokens = l?.tokens ? ofCompletion(l, told) : ofChat(l?.content ?? []);
		if (tokens.length > given.length) facts.first ??= performance.now() - start;
		for (const token of tokens) token.id = (given.length ? given : ids).shift();
		if (tokens.length) listen(tokens);
	}
}

async function scored(ids, signal) {
	const { choices, system_fingerprint: fingerprint } = await json("v1/completions", { prompt: ids, max_tokens: 0, echo: true, logprobs: 5 }, signal);
	const tokens = ofCompletion(choices[0].logprobs, points(choices[0].text));
	tokens.forEach((token, i) => (token.id = ids[i]));
	return { tokens, fingerprint };
}

export const last = async (ids, signal) => (await scored(ids, signal)).tokens.at(-1);

/** The id of an alternative: the one with its log-probability, since equal requests have equal bits. */
export async function alternative(ids, [t, lp], signal) {
	const body = { prompt: ids, max_tokens: 1, temperature: 0, logprobs: 5, return_tokens_as_token_ids: true };
	const [top] = (await json("v1/completions", body, signal)).choices[0].logprobs.top_logprobs;
	const same = Object.keys(top).filter(name => top[name] === lp);
	if (same.length !== 1) throw new Error(`token ${JSON.stringify(t)}: expected one with its probability, got ${same.length}; choose another`);
	return Number(same[0].slice("token_id:".length));
}

/** Scores a text through echo; one longer than the context in windows that overlap by half. */
export async function score(text, signal, progress) {
	const ids = await tokenize(text, false, signal);
	const size = server.context;
	const result = { tokens: [], windows: 0 };
	for (let end = 0; end < ids.length; result.windows++) {
		const from = end;
		end = Math.min(ids.length, from === 0 ? size : from + Math.ceil(size / 2));
		const { tokens, fingerprint } = await scored(ids.slice(Math.max(0, end - size), end), signal);
		result.tokens.push(...tokens.slice(from - end));
		result.fingerprint = fingerprint;
		progress(end / ids.length);
	}
	return result;
}

const isBytes = t => /^bytes:(\\x[0-9a-f]{2})+$/i.test(t);

export const bytesOf = t =>
	isBytes(t) ? Uint8Array.from(t.slice(8).split("\\x"), code => parseInt(code, 16)) : new TextEncoder().encode(t);

/** From tokens in order to their texts; a character of several tokens belongs to the last of them. */
export function decoder() {
	const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
	return token => (token.special ? "" : utf8.decode(bytesOf(token.t), { stream: true }));
}

export const textOf = tokens => tokens.map(decoder()).join("");
