// The tabs Write and Chat: one tree of continuations, and a conversation with a tree for each answer.
// A tab has text, show, go, request, turns (what a link holds), open (a link's turns), tokens, facts and clear.

import { server, textOf, tokenize } from "./api.js";
import { Tree } from "./branches.js";
import { busy, enter, replay, stop, stopped } from "./run.js";
import * as settings from "./settings.js";
import { at, h, sheet } from "./sheet.js";

export function write(desk) {
	let tree = null;
	const area = at("write-text");
	const list = sheet(at("write-tokens"), (...taken) => desk.branch(tree, list, ...taken));

	function reading(on) {
		area.hidden = on;
		for (const id of ["write-tokens", "write-edit", "write-again"]) at(id).hidden = !on;
	}

	function begin(text, own) {
		tree = new Tree(async signal => {
			const ids = own ?? (await tokenize(text, true, signal));
			if (ids.length === 0) throw new Error("text: expected a beginning, got none; write one");
			return { path: "v1/completions", body: { prompt: ids, echo: true, logprobs: 5 }, given: ids.length };
		});
	}

	at("write-edit").onclick = () => {
		stop();
		area.value = tree.text();
		reading(false);
		area.focus();
	};
	at("write-again").onclick = async () => {
		await stopped();
		tree.fork(tree.given);
		desk.grow(tree, { seed: settings.newSeed() });
	};

	const tab = {
		text: () => (area.hidden ? tree.text() : area.value),
		tokens: () => tree?.path() ?? [],
		facts: () => tree?.current.facts,
		request: () => ({ path: "v1/completions", body: { prompt: tab.text() } }),

		set(text) {
			tree = null;
			area.value = text;
			tab.show();
		},

		clear() {
			tab.set("");
			area.focus();
		},

		go() {
			if (busy()) return stop();
			if (!area.hidden && area.value !== tree?.text()) {
				begin(area.value);
				desk.renew();
			}
			desk.grow(tree);
		},

		show() {
			const path = tab.tokens();
			reading(path.length > 0);
			list.show(path, tree?.given);
			desk.show(tree);
		},

		turns() {
			const steps = tree.current.history();
			const path = tree.path();
			const first = path.length - steps.reduce((sum, { n }) => sum + n, 0);
			const cut = first < tree.given && { ids: tree.ids(first) }; // cut text may have other tokens
			return [{ text: textOf(path.slice(0, first)), steps, ...cut }];
		},

		async open([{ text, steps, ids }], signal) {
			tab.set(text);
			begin(text, ids);
			await replay(tree, steps, signal, tab.show);
		},
	};
	at("write-go").onclick = tab.go;
	area.oninput = () => desk.changed();
	return tab;
}

/** The call of an answer that waits for its result, which is what is said next; of several none. */
const waiting = turn => (calls(turn).length === 1 ? calls(turn)[0] : null);
const calls = turn => turn?.tree.current.facts?.calls ?? [];

/** A text after an answer, as a message. */
const said = (text, before) => (waiting(before) ? { role: "tool", tool_call_id: waiting(before).id, content: text } : { role: "user", content: text });

function messages(turns) {
	const all = settings.system() ? [{ role: "system", content: settings.system() }] : [];
	turns.forEach((turn, i) => {
		const made = calls(turn);
		const answer = made.length ? { content: null, tool_calls: made } : { content: turn.tree.text() };
		all.push(said(turn.text, turns[i - 1]), { role: "assistant", ...answer });
	});
	return all;
}

/** Leaves the oldest turns out, so that a quarter of the context is left for an answer. */
async function fitting(asked, signal) {
	const first = asked.findIndex(({ role }) => role === "user");
	const fits = async () => (await tokenize(asked.map(({ content }) => content ?? "").join("\n"), false, signal)).length <= 0.75 * server.context;
	const next = () => asked.findIndex(({ role }, i) => role === "user" && i > first); // results of calls go with the turn before
	while (next() > 0 && !(await fits())) asked = asked.toSpliced(first, next() - first);
	return asked;
}

export function chat(desk) {
	let first = null;
	let shown = null; // the turn whose branches are shown
	const rows = [];
	const area = at("chat-text");

	/** The turns after an answer belong to its branch. */
	function conversation() {
		const turns = [];
		for (let turn = first; turn; turn = turn.tree.current.next) turns.push(turn);
		return turns;
	}

	function follow(before, turn) {
		if (before) before.tree.current.next = turn;
		else first = turn;
		tab.show();
	}

	function add(text) {
		const before = conversation();
		const asked = [...messages(before), said(text, before.at(-1))];
		const tree = new Tree(async signal => {
			const messages = await fitting(asked, signal);
			const gone = asked.length - messages.length;
			tree.note = gone ? ` The model no longer sees the oldest ${gone} messages.` : "";
			return { path: "v1/chat/completions", body: { messages, ...settings.shaped(), logprobs: true, top_logprobs: 5 }, given: 0 };
		});
		tree.ends = ({ stop = [] }) => {
			const { schema, tools } = settings.shape();
			tree.note = schema || tools ? " Schema and tools do not hold behind a token that was taken by hand." : "";
			return server.template ? { stop_token_ids: server.ends } : { stop: ["\nUser:", ...stop] };
		};
		shown = { text, tree };
		follow(before.at(-1), shown);
		return tree;
	}

	function row() {
		const tokens = h("div", { class: "tokens", role: "listbox", "aria-orientation": "horizontal", "aria-label": `Answer ${rows.length + 1}`, dir: "auto" });
		const who = h("h2");
		const said = h("p", { class: "said", dir: "auto" });
		const list = h("ul", { class: "calls", "aria-label": "Calls" });
		const root = h("article", null, who, said, h("h2", null, "Model"), tokens, list);
		const made = { root, who, said, calls: list };
		const tree = () => (shown = made.turn).tree;
		made.list = sheet(tokens, (...taken) => desk.branch(tree(), made.list, ...taken));
		tokens.addEventListener("focusin", () => desk.show(tree()));
		at("chat-turns").append(root);
		return made;
	}

	at("chat-again").onclick = async () => {
		await stopped();
		shown = conversation().at(-1);
		shown.tree.fork(0);
		desk.grow(shown.tree, { seed: settings.newSeed() });
	};

	const tab = {
		text: () => first?.text ?? "",
		tokens: () => conversation().flatMap(({ tree }) => tree.path()),
		facts: () => shown?.tree.current.facts,
		turns: () => conversation().map(({ text, tree }) => ({ text, steps: tree.current.history() })),

		request() {
			const asked = messages(conversation());
			if (area.value || !first) asked.push(said(area.value, conversation().at(-1)));
			else asked.pop();
			return { path: "v1/chat/completions", body: { messages: asked, ...settings.shaped() } };
		},

		clear() {
			first = null;
			tab.show();
			area.focus();
		},

		async go() {
			if (busy()) return stop();
			const text = area.value;
			if (!text.trim()) return area.focus();
			if (!first) desk.renew();
			area.value = "";
			const before = conversation().at(-1);
			const tree = add(text);
			await desk.grow(tree);
			if (tree.path().length) return;
			follow(before, null);
			area.value = [text, area.value].filter(Boolean).join("\n"); // another may be typed by now
		},

		show() {
			const turns = conversation();
			while (rows.length < turns.length) rows.push(row());
			for (const { root } of rows.splice(turns.length)) root.remove();
			turns.forEach((turn, i) => {
				rows[i].turn = turn;
				rows[i].who.textContent = waiting(turns[i - 1]) ? `Result of ${waiting(turns[i - 1]).function.name}` : "You";
				rows[i].said.textContent = turn.text;
				const made = calls(turn).map(({ function: { name, arguments: given } }) => h("li", null, h("b", null, name), " ", h("code", { dir: "auto" }, given)));
				rows[i].calls.replaceChildren(...made);
				rows[i].calls.hidden = made.length === 0;
				rows[i].list.show(turn.tree.path());
			});
			if (!turns.includes(shown)) shown = turns.at(-1);
			const next = waiting(turns.at(-1));
			area.placeholder = next ? `The result of ${next.function.name}. Enter sends.` : "Say something. Enter sends.";
			at("chat-again").hidden = turns.length === 0;
			at("chat-note").hidden = server.template;
			desk.show(shown?.tree);
		},

		async open(turns, signal) {
			first = null;
			for (const { text, steps } of turns) await replay(add(text), steps, signal, tab.show);
		},
	};
	at("chat-go").onclick = tab.go;
	area.oninput = () => desk.changed();
	area.onkeydown = e => {
		if (e.key !== "Enter" || e.shiftKey || e.ctrlKey || e.isComposing) return;
		e.preventDefault();
		enter(tab.go);
	};
	return tab;
}
