// The form of settings, and the request as code.

import { address, server } from "./api.js";
import { at } from "./sheet.js";

const form = at("settings");
const fields = form.elements;
const OFF = { top_k: 0, min_p: 0, repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0 };
export const NUMBERS = ["max_tokens", "temperature", "top_p", ...Object.keys(OFF)];

// Of a tab: a text is continued in parts, an answer is written to its end.
const lengths = { write: fields.max_tokens.value, chat: "" };
let tab = "write";

export function select(name) {
	if (!(name in lengths)) return;
	tab = name;
	fields.max_tokens.value = lengths[tab];
}

/** The fields of a request that the form sets, except the seed. Fails if one is wrong, which the form then shows. */
export function sampling() {
	if (!form.checkValidity()) {
		for (const part of form.querySelectorAll("details:has(:invalid)")) part.open = true;
		form.reportValidity();
		throw new Error("settings: expected valid values, got a wrong one; it is marked");
	}
	const body = Object.fromEntries(NUMBERS.map(name => [name, fields[name].valueAsNumber]).filter(([name, value]) => value !== OFF[name]));
	body.max_tokens ||= server.context; // the server holds it to what a prompt leaves
	const stop = fields.stop.value.split("\n").filter(Boolean);
	return stop.length ? { ...body, stop: stop.map(text => text.replaceAll("\\n", "\n")) } : body;
}

export const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];
export const seed = () => (fields.seed.value ? fields.seed.valueAsNumber : newSeed());

export const system = () => fields.system.value;

function isJson(text) {
	try {
		return !text || Boolean(JSON.parse(text));
	} catch {
		return false;
	}
}

/** The schema and the tools of an answer, as they are written. */
export const shape = () => ({ schema: fields.schema.value.trim(), tools: fields.tools.value.trim(), required: fields.required.checked });

/** The same as fields of a chat's request. */
export function shaped() {
	const { schema, tools, required } = shape();
	const body = schema ? { response_format: { type: "json_schema", json_schema: { name: "answer", schema: JSON.parse(schema) } } } : {};
	return tools ? { ...body, tools: JSON.parse(tools), tool_choice: required ? "required" : "auto" } : body;
}

export function open({ system = "", shape: { schema = "", tools = "", required = false } = {}, turns }) {
	const { stop = [], ...sampling } = turns[0].steps[0]?.sampling ?? {};
	fields.required.checked = required;
	const values = { ...OFF, ...sampling, system, schema, tools, stop: stop.map(text => text.replaceAll("\n", "\\n")).join("\n") };
	for (const [name, value] of Object.entries(values)) fields[name].value = value;
	form.oninput();
}

const pretty = body => JSON.stringify(body, null, 2);
const secret = text => (server.key ? text : "");

const LANGUAGES = {
	json: (path, body) => pretty(body),

	curl: (path, body) => `curl ${address(path)} \\
  -H 'Content-Type: application/json' \\
${secret('  -H "Authorization: Bearer $API_KEY" \\\n')}  -d '${pretty(body).replaceAll("'", "'\\''")}'`,

	java: (path, body) => `import java.net.URI;
import java.net.http.*;

void main() throws Exception {
    var body = """
${pretty(body).replaceAll("\\", "\\\\")}""";
    var request = HttpRequest.newBuilder(URI.create("${address(path)}"))
            .header("Content-Type", "application/json")${secret('\n            .header("Authorization", "Bearer " + System.getenv("API_KEY"))')}
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    IO.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
}`,

	python: (path, body) => {
		const [what, name, text] = path.includes("chat") ? ["chat.completions", "messages", "message.content"] : ["completions", "prompt", "text"];
		return `import os
from openai import OpenAI

client = OpenAI(base_url="${address("v1")}", api_key=os.environ.get("API_KEY", "none"))
body = ${pretty(body).replace(/^  "echo": true/m, '  "echo": True')}
answer = client.${what}.create(model=body["model"], ${name}=body["${name}"], extra_body=body)
print(answer.choices[0].${body.echo ? "logprobs" : text})`;
	},
};

/** request() gives {path, body} of now. Returns what shows it as code. */
export function listen(request) {
	const show = () => {
		if (!at("request").open || !form.checkValidity()) return;
		const { path, body } = request();
		const all = { model: server.model, ...body, ...(body.echo ? {} : { ...sampling(), seed: seed() }) };
		at("code").textContent = LANGUAGES[document.querySelector("#languages :checked").value](path, all);
	};
	form.onsubmit = () => false;
	form.oninput = () => {
		for (const out of form.querySelectorAll("output")) out.value = out.nextElementSibling.value;
		lengths[tab] = fields.max_tokens.value;
		server.key = fields.key.value;
		for (const name of ["schema", "tools"]) fields[name].setCustomValidity(isJson(fields[name].value.trim()) ? "" : "This is not JSON.");
		show();
	};
	at("languages").onchange = at("request").ontoggle = show;
	at("copy").onclick = () => navigator.clipboard?.writeText(at("code").textContent);
	form.oninput();
	return show;
}
