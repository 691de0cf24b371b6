// Tokens on the page: a sheet of them, shaded by surprisal, and the alternatives of one. Texts become text nodes.

import { decoder } from "./api.js";

export const at = id => document.getElementById(id);

export function h(name, attributes, ...children) {
	const svg = name === "svg" || name === "rect";
	const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
	for (const [key, value] of Object.entries(attributes ?? {})) {
		if (key.startsWith("on")) made[key] = value;
		else made.setAttribute(key, value);
	}
	made.append(...children);
	return made;
}

export function define(list, rows) {
	const there = rows.filter(([, value]) => value !== undefined);
	list.replaceChildren(...there.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** The place that a key moves to in a list, or undefined. */
export function step(key, now, length, back, forth) {
	const to = { [back]: now - 1, [forth]: now + 1, Home: 0, End: length - 1 }[key];
	return to === undefined ? to : Math.max(0, Math.min(to, length - 1));
}

export const bits = lp => -(lp ?? 0) / Math.LN2;

/** Shades from 0 to 7, one for 2 bits: what has more than 25 % is plain, what has less than 0.006 % is darkest. */
export const shade = lp => Math.min(7, Math.floor(bits(lp) / 2));

const figure = lp => bits(lp).toFixed(2);

function percent(lp) {
	const p = 100 * Math.exp(lp);
	return p < 0.01 ? "< 0.01 %" : `${p.toFixed(p < 1 ? 2 : 1)} %`;
}

export function visible(t) {
	const names = { " ": "·", "\n": "⏎", "\t": "⇥" };
	return t.replace(/[ \p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, c => names[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
}

const spoken = t => t.trim() || (t.includes("\n") ? "new line" : "space");

/** A list box of tokens. choose(place, [t, lp]) is called when an alternative is taken; null if none can be. */
export function sheet(root, choose) {
	let spans = [];
	let text = decoder();
	let now = 0; // the place that a tab reaches
	const place = e => spans.indexOf(e.target);

	const self = {
		choose,
		tokens: [],
		place: target => spans.indexOf(target),
		span: i => spans[i],

		focus(i, quiet) {
			spans[Math.max(0, Math.min(i, spans.length - 1))]?.focus();
			if (quiet) hide();
		},

		/** Shows tokens; those that are shown stay. begins: where the model's part begins. */
		show(tokens, begins = 0) {
			let same = 0;
			while (same < self.tokens.length && self.tokens[same] === tokens[same]) same++;
			if (same < self.tokens.length || same === 0) {
				if (of === self && which >= same) hide();
				text = decoder();
				tokens.slice(0, same).forEach(text);
				spans.splice(same).forEach(span => span.remove());
			}
			for (let i = same; i < tokens.length; i++) {
				const span = spanOf(tokens[i], text(tokens[i]));
				if (begins && i === begins) span.classList.add("begins");
				spans.push(span);
				root.append(span);
			}
			self.tokens = [...tokens];
			now = Math.max(0, Math.min(now, spans.length - 1));
			if (spans[now]) spans[now].tabIndex = 0;
		},
	};

	root.onpointerover = e => e.pointerType === "mouse" && place(e) >= 0 && soon(90, () => show(self, place(e)));
	root.onpointerout = leave;
	root.onclick = e => place(e) >= 0 && self.focus(place(e));
	root.onkeydown = e => {
		const to = step(e.key, now, spans.length, "ArrowLeft", "ArrowRight");
		if (to !== undefined) self.focus(to);
		else if (["ArrowDown", "Enter", " "].includes(e.key) && !e.ctrlKey && !e.metaKey) {
			show(self, now);
			popup.querySelector("[aria-selected=true]")?.focus();
		} else if (e.key === "Escape" && !popup.hidden) hide();
		else return;
		e.preventDefault();
		e.stopPropagation();
	};
	root.addEventListener("focusout", leave);
	root.addEventListener("focusin", e => {
		if (spans[now]) spans[now].tabIndex = -1;
		now = place(e);
		e.target.tabIndex = 0;
		show(self, now);
	});
	return self;
}

function spanOf(token, text) {
	const kind = token.forced ? "forced" : text.startsWith("\n") ? "line" : text ? "" : "part";
	const label = `${spoken(token.t)}, ${token.lp === null ? "not scored" : `${figure(token.lp)} bits`}`;
	const span = h("span", { role: "option", tabindex: -1, class: `t s${shade(token.lp)} ${kind}`, "aria-label": label }, text);
	if (token.special) span.dataset.special = token.t;
	return span;
}

// The alternatives of one token, in one list for all sheets.
const popup = at("alternatives");
let of = null;
let which = 0;
let timer = 0;

function soon(milliseconds, work) {
	clearTimeout(timer);
	timer = setTimeout(work, milliseconds);
}

/** Hides soon, unless pointer or focus is back. */
function leave() {
	soon(250, () => {
		if (popup.matches(":hover, :focus-within")) return;
		const focused = of ? of.place(document.activeElement) : -1;
		if (focused < 0) hide();
		else if (!popup.hidden) show(of, focused);
	});
}

function hide() {
	clearTimeout(timer);
	popup.hidden = true;
	of?.span(which)?.classList.remove("shown");
}

function show(list, place) {
	clearTimeout(timer);
	if (!popup.hidden && of === list && which === place) return;
	hide();
	[of, which] = [list, place];
	const { t, lp, top } = list.tokens[place];
	const rank = top.findIndex(a => a[0] === t) + 1;
	const about = top.length ? `${figure(lp)} bits · ${percent(lp)} · ${rank > 5 ? "beyond rank 5" : `rank ${rank}`}` : "The first token has no prediction.";
	popup.replaceChildren(h("bdi", { class: "token" }, visible(t)), h("p", null, about));
	if (top.length) popup.append(h("ul", { role: "listbox", "aria-label": `Alternatives to ${spoken(t)}` }, ...top.map((a, i) => row(a, i, t))));
	if (top.length && list.choose) popup.append(h("p", null, "Click or Enter: branch here"));
	list.span(place).classList.add("shown");
	popup.hidden = false;
}

function row([t, lp], i, chosen) {
	const bar = h("i");
	bar.style.width = `${100 * Math.exp(lp)}%`;
	const [rank, ...figures] = [i < 5 ? i + 1 : "…", percent(lp), figure(lp)].map(text => h("span", null, text));
	return h("li", { role: "option", tabindex: -1, "aria-selected": t === chosen }, bar, rank, h("bdi", null, visible(t)), ...figures);
}

function take(row) {
	of.focus(which);
	if (!row || !of.choose) return;
	hide();
	of.choose(which, of.tokens[which].top[[...row.parentNode.children].indexOf(row)]);
}

popup.onpointerenter = () => clearTimeout(timer);
popup.onpointerleave = leave;
popup.addEventListener("focusout", leave);
popup.onclick = e => take(e.target.closest("li"));
popup.onkeydown = e => {
	const rows = [...popup.querySelectorAll("li")];
	const to = step(e.key, rows.indexOf(document.activeElement), rows.length, "ArrowUp", "ArrowDown");
	const side = { ArrowLeft: -1, ArrowRight: 1, Escape: 0, Tab: 0 }[e.key];
	if (to !== undefined) rows[to].focus();
	else if (e.key === "Enter" || e.key === " ") take(document.activeElement);
	else if (side !== undefined) of.focus(which + side);
	else return;
	if (e.key === "Escape") hide();
	if (e.key !== "Tab") e.preventDefault(); // a tab moves on from the token
	e.stopPropagation();
};
