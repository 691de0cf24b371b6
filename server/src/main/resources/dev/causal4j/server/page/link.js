// Texts as links, which tell how they are made.

import { NUMBERS } from "./settings.js";

const FIELDS = [...NUMBERS, "stop"];

export const hash = tokens => tokens.reduce((sum, { id }) => Math.imul(sum ^ id, 16777619) >>> 0, 2166136261);

export function encode(link) {
	const binary = Array.from(new TextEncoder().encode(JSON.stringify(link)), byte => String.fromCharCode(byte)).join("");
	return `#${btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** Links come from strangers: kinds are checked here, and what is not known is dropped. */
export function decode(fragment) {
	try {
		const binary = atob(fragment.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
		const link = JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, c => c.charCodeAt(0))));
		const need = (...conditions) => conditions.every(Boolean) || link.wrong();
		const count = n => Number.isInteger(n) && n >= 0 && n < 1e6;
		need(["write", "chat", "score"].includes(link.tab), link.turns.length > 0);
		for (const { text, steps, ids = [] } of link.turns) {
			need(typeof text === "string", ids.every(count));
			for (const step of steps) {
				need(count(step.n), step.force === null || count(step.force), Number.isInteger(step.seed));
				need((step.sampling.stop ?? []).every(text => typeof text === "string"));
				step.sampling = Object.fromEntries(Object.entries(step.sampling).filter(([name]) => FIELDS.includes(name)));
			}
		}
		return link;
	} catch {
		throw new Error("link: expected one of this page, got something else; ask for it again");
	}
}

const HISTORY = "causal4j.history";

/** Texts as {id, tab, title, when, link}, the newest first; none if the browser forbids its storage. */
export function past() {
	try {
		return JSON.parse(localStorage.getItem(HISTORY)) ?? [];
	} catch {
		return [];
	}
}

export function keep(item) {
	const all = [item, ...past().filter(({ id }) => id !== item.id)].slice(0, 50);
	try {
		localStorage.setItem(HISTORY, JSON.stringify(all));
	} catch {
		// full or forbidden
	}
}

export const forget = () => localStorage.removeItem(HISTORY);
