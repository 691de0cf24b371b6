// One text that grows: a tree of branches, the requests that make it, and its view.

import { alternative, stream, textOf } from "./api.js";
import { bits, h, step } from "./sheet.js";

/**
 * Keeps the first `from` tokens of its parent. steps: the requests that made its own, {at, force, seed, sampling}: where in
 * `tokens` each begins, and the id that was chosen by hand, or null. next: what follows in a chat.
 */
class Branch {
	constructor(parent, from) {
		Object.assign(this, { parent, from, tokens: [], steps: [], facts: null, next: null });
	}

	path() {
		return this.parent ? [...this.parent.path().slice(0, this.from), ...this.tokens] : this.tokens;
	}

	/** The steps of the path up to `end`, with n tokens each. */
	history(end = this.from + this.tokens.length) {
		const ends = [...this.steps.slice(1).map(step => step.at), this.tokens.length];
		const own = this.steps.map(({ at, force, seed, sampling }, i) => ({ n: Math.min(end - this.from, ends[i]) - at, force, seed, sampling }));
		return [...(this.parent?.history(this.from) ?? []), ...own.filter(({ n }) => n > 0)];
	}
}

export class Tree {
	/** start(signal) tells the first request: {path, body, given}. */
	constructor(start) {
		this.start = start;
		this.prefix = []; // ids before the first token that is shown
		this.given = 0; // tokens shown that are the prompt's
		this.ends = () => ({}); // what ends an answer
		this.note = ""; // said when it is written
		this.branches = [new Branch(null, 0)];
		this.current = this.branches[0];
	}

	path() {
		return this.current.path();
	}

	text() {
		return textOf(this.path());
	}

	ids(end) {
		return [...this.prefix, ...this.path().slice(0, end).map(token => token.id)];
	}

	/** The parent of a new branch: one that begins at the place gets a sibling. */
	parent(place) {
		let branch = this.current;
		while (branch.parent && place <= branch.from) branch = branch.parent;
		return branch;
	}

	fork(place) {
		this.current = new Branch(this.parent(place), place);
		this.branches.push(this.current);
	}

	/** Takes another token at a place. Returns whether there is something to continue. */
	async choose(place, alternate, signal) {
		const [t, lp] = alternate;
		const token = this.path()[place];
		const parent = this.parent(place);
		const twin = this.branches.find(b => (b === parent || (b.parent === parent && b.from === place)) && b.path()[place]?.t === t);
		if (twin && token.t !== t) this.current = twin;
		if (twin) return false;
		const id = await alternative(this.ids(place), alternate, signal);
		this.fork(place);
		this.force({ ...token, id, t, lp });
		return true;
	}

	/** Adds a token that was chosen by hand; grow continues in the same step. */
	force(token) {
		const { steps, tokens } = this.current;
		steps.push({ at: tokens.length, force: token.id, seed: 0, sampling: {}, open: true });
		tokens.push({ ...token, forced: true });
	}

	async grow(sampling, seed, signal, listen) {
		const branch = this.current;
		const { steps, tokens } = branch;
		if (!steps.at(-1)?.open) steps.push({ at: tokens.length, force: null });
		const now = Object.assign(steps.at(-1), { seed, sampling, open: false });
		const facts = (branch.facts = { seed });
		try {
			let request = { path: "v1/completions", body: { logprobs: 5, prompt: this.ids(), ...this.ends(sampling) } };
			if (this.path().length === 0) {
				request = await this.start(signal);
				this.given = now.at = request.given;
			}
			await stream(request.path, { ...sampling, seed, ...request.body }, signal, facts, more => {
				tokens.push(...more);
				listen();
			});
		} finally {
			if (tokens.length <= now.at) steps.pop();
			if (this.given + this.prefix.length === 0) this.prefix = facts.promptIds ?? [];
			delete facts.promptIds;
		}
		return facts;
	}
}

/** A bar for each token, as high as its surprise; what is before the first belongs to another branch. */
export function strip(tokens, first = 0, width = tokens.length) {
	const bars = tokens.map(({ lp }, i) => {
		const height = Math.max(1, Math.min(16, bits(lp)));
		return h("rect", { x: first + i + 0.1, y: 16 - height, width: 0.8, height });
	});
	const before = h("rect", { class: "before", y: 15, width: first, height: 1 });
	return h("svg", { viewBox: `0 0 ${width} 16`, preserveAspectRatio: "none", "aria-hidden": "true" }, before, ...bars);
}

export class TreeView {
	constructor(root, select) {
		const place = e => [...root.children].indexOf(e.target.closest("li"));
		const pick = to => select(this.tree, this.order[to]);
		this.root = root;
		root.onclick = e => place(e) >= 0 && pick(place(e));
		root.onkeydown = e => {
			const to = step(e.key, place(e), root.children.length, "ArrowUp", "ArrowDown");
			if (to === undefined) return;
			e.preventDefault();
			pick(to);
		};
	}

	show(tree) {
		this.tree = tree;
		this.order = [];
		const width = Math.max(1, ...tree.branches.map(b => b.from + b.tokens.length));
		const walk = (branch, level) => {
			this.order.push(branch);
			const children = tree.branches.filter(b => b.parent === branch);
			return [this.item(branch, level, width), ...children.flatMap(child => walk(child, level + 1))];
		};
		const focused = this.root.contains(document.activeElement);
		this.root.replaceChildren(...walk(tree.branches[0], 1));
		for (let b = tree.current; b; b = b.parent) this.root.children[this.order.indexOf(b)].classList.add("path");
		if (focused) this.root.children[this.order.indexOf(tree.current)].focus();
	}

	item(branch, level, width) {
		const own = branch.tokens.slice(branch.parent ? 0 : this.tree.given);
		const mean = own.reduce((sum, { lp }) => sum + bits(lp), 0) / (own.length || 1);
		const current = branch === this.tree.current;
		return h(
			"li",
			{ role: "treeitem", "aria-level": level, "aria-selected": current, tabindex: current - 1 },
			h("bdi", { class: "name" }, textOf(branch.tokens.slice(0, 30)).trim().slice(0, 60) || "…"),
			h("small", null, `${own.length} · ${mean.toFixed(1)} bits`),
			strip(branch.tokens, branch.from, width),
		);
	}
}
