// The tab Score: how likely a text is, token by token, and against another.

import { bytesOf, score as scoreOf, textOf } from "./api.js";
import { strip } from "./branches.js";
import { busy, run, say, stop } from "./run.js";
import { at, bits, define, h, shade, sheet, visible } from "./sheet.js";

/** As `causal4j score`: the first token does not count. */
function totals(tokens) {
	const scored = tokens.filter(token => token.lp !== null);
	const nll = scored.reduce((sum, token) => sum - token.lp, 0);
	const bytes = scored.reduce((sum, token) => sum + bytesOf(token.t).length, 0);
	return { count: scored.length, bytes, bits: nll / Math.LN2, perplexity: Math.exp(nll / scored.length), perByte: nll / Math.LN2 / bytes };
}

function side(root, changed) {
	const [area, tokens, sums, more, chart, places] = ["text", "tokens", "sums", "more", "chart", "places"].map(name => root.querySelector(`.${name}`));
	const list = sheet(tokens, null);
	area.oninput = changed;

	function surprise(tokens, i) {
		const { t, lp } = tokens[i];
		const before = textOf(tokens.slice(Math.max(0, i - 8), i)).replace(/\s+/g, " ").slice(-30);
		const mark = h("mark", { class: `s${shade(lp)}` }, visible(t).replace(/^·/, " "));
		return h("button", { onclick: () => list.focus(i) }, h("bdi", null, h("span", null, before), mark), h("small", null, `${bits(lp).toFixed(1)} bits`));
	}

	const self = {
		area,
		root,
		result: null,

		set(text) {
			area.value = text;
			self.result = null;
		},

		async score(signal) {
			const result = await scoreOf(area.value, signal, part => say(`Scoring … ${Math.round(100 * part)} %`));
			if (result.tokens.length < 2) throw new Error("text: expected at least 2 tokens, got fewer; the first has no prediction");
			self.result = { ...result, ...totals(result.tokens) };
		},

		show() {
			const r = self.result;
			area.hidden = r !== null;
			for (const part of [tokens, sums, more]) part.hidden = r === null;
			if (!r) return;
			list.show(r.tokens);
			define(sums, [
				["Perplexity", r.perplexity.toFixed(4)],
				["Bits per byte", r.perByte.toFixed(4)],
				["Bits", r.bits.toFixed(2)],
				["Tokens", r.count],
				["Bytes", r.bytes],
			]);
			chart.replaceChildren(strip(r.tokens));
			const order = r.tokens.map((_, i) => i).sort((i, j) => (r.tokens[i].lp ?? 0) - (r.tokens[j].lp ?? 0));
			places.replaceChildren(...order.slice(0, 8).map(i => h("li", null, surprise(r.tokens, i))));
		},
	};
	return self;
}

export function score(desk) {
	const second = at("score-a").cloneNode(true);
	second.id = "score-b";
	const area = second.querySelector("textarea");
	area.setAttribute("aria-label", (area.placeholder = "A second text, to compare"));
	second.querySelector(".tokens").setAttribute("aria-label", "Tokens of the second text");
	at("score-a").after(second);
	const compare = at("compare");
	const [a, b] = [at("score-a"), second].map(root => side(root, () => desk.changed()));
	const sides = () => (compare.checked ? [a, b] : [a]);

	async function all(signal) {
		for (const each of sides()) await each.score(signal);
		tab.show();
		const figures = sides().map(({ result }) => `Perplexity ${result.perplexity.toFixed(4)}`);
		if (a.result.windows > 1) figures.push(`scored in ${a.result.windows} windows that overlap by half`);
		say(`${figures.join(", ")}.`);
	}

	const tab = {
		text: () => a.area.value,
		tokens: () => sides().flatMap(({ result }) => result?.tokens ?? []),
		facts: () => a.result && { fingerprint: a.result.fingerprint },
		turns: () => sides().map(each => ({ text: each.area.value, steps: [] })),

		set(text) {
			a.set(text);
			tab.show();
		},

		clear() {
			b.set("");
			tab.set("");
			a.area.focus();
		},

		async go() {
			if (busy()) return stop();
			const empty = sides().find(each => !each.area.value);
			if (empty) return empty.area.focus();
			desk.renew();
			await run(all);
			desk.save();
		},

		show() {
			a.show();
			b.show();
			const both = compare.checked && a.result && b.result;
			b.root.hidden = !compare.checked;
			at("score").classList.toggle("two", compare.checked);
			at("score-edit").hidden = !a.result;
			at("difference").hidden = !both;
			if (both) {
				const [gap, perByte] = ["bits", "perByte"].map(name => a.result[name] - b.result[name]);
				at("difference").textContent = `The ${gap < 0 ? "first" : "second"} text is likelier by ${Math.abs(gap).toFixed(2)} bits. Bits per byte differ by ${Math.abs(perByte).toFixed(4)}.`;
			}
			desk.show(null);
		},

		request() {
			const [one, two] = sides().map(each => each.area.value);
			return { path: "v1/completions", body: { prompt: two === undefined ? one : [one, two], max_tokens: 0, echo: true, logprobs: 5 } };
		},

		async open([one, two], signal) {
			compare.checked = Boolean(two);
			a.set(one.text);
			b.set(two?.text ?? "");
			await all(signal);
		},
	};
	compare.onchange = tab.show;
	at("score-go").onclick = tab.go;
	at("score-edit").onclick = () => {
		stop();
		b.set(b.area.value);
		tab.set(a.area.value);
		a.area.focus();
	};
	return tab;
}
