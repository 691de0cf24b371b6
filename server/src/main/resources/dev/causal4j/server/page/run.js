// One request at a time: its button, what is said of it, and its facts.

import { last, running, server, textOf } from "./api.js";
import * as settings from "./settings.js";
import { at, define, h } from "./sheet.js";

let controller = null;

export const busy = () => controller !== null;
export const stop = () => controller?.abort();

const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));

export async function stopped() {
	stop();
	while (busy()) await wait(10);
}

/** A line with its quoted texts isolated: they may run from right to left. */
const quoted = line => line.split(/("(?:\\.|[^"\\])*")/).map((part, i) => (i % 2 ? h("bdi", null, part) : part));

export const say = line => at("status").replaceChildren(...quoted(line));

export function complain(error) {
	at("problem").replaceChildren(...quoted(error?.message ?? ""));
	at("problem").hidden = !error;
}

/** Begins what Enter asks for, or says why it waits. */
export function enter(begin) {
	if (busy()) say("The model is still at work. What you typed stays; Escape stops the model.");
	else begin();
}

async function free() {
	for (let tries = 0; tries < 20 && !busy(); tries++) {
		const count = await running().catch(() => null);
		if (!busy()) say(`Cancelled. ${count === 0 ? "The server is free." : count ? `The server computes ${count} more.` : ""}`);
		if (!count) return;
		await wait(100);
	}
}

/** Runs work(signal), if nothing else runs. */
export async function run(work) {
	if (busy()) return;
	controller = new AbortController();
	const { signal } = controller;
	document.body.classList.add("busy");
	complain(null);
	const buttons = [...document.querySelectorAll(".primary")];
	const names = buttons.map(button => button.textContent);
	for (const button of buttons) button.textContent = "Stop";
	try {
		await work(signal);
	} catch (e) {
		say("");
		if (!signal.aborted) complain(e);
	} finally {
		controller = null;
		document.body.classList.remove("busy");
		buttons.forEach((button, i) => (button.textContent = names[i]));
		if (signal.aborted) free();
	}
}

function speaker(tree) {
	let said = tree.text().length;
	return () => {
		said ||= textOf(tree.path().slice(0, tree.given)).length;
		const [sentences] = /^.*[.!?…]["'”’)]*(?=\s)/s.exec(tree.text().slice(said)) ?? [""];
		said += sentences.length;
		if (sentences) at("live").textContent = sentences.trim();
	};
}

function reason({ finish, prompt, written }, { stop }, last) {
	if (finish === "length" && prompt + written >= server.context) return `Stopped: the context of ${server.context} tokens is full.`;
	if (finish === "length") return `Stopped after ${written} tokens, the length in the settings.`;
	return `Finished: ${stop && !last?.special ? "a stop text came" : "the text came to its end"}.`;
}

/** Continues a tree by one request, as a step or the settings say; shows it at most once a frame. */
export async function grow(tree, signal, show, { n, seed = settings.seed(), sampling } = {}) {
	const body = sampling ? { ...sampling, max_tokens: n } : settings.sampling();
	const speak = speaker(tree);
	let frame = 0;
	say("Writing …");
	try {
		const facts = await tree.grow(body, seed, signal, () => {
			speak();
			frame ||= requestAnimationFrame(() => {
				frame = 0;
				show();
			});
		});
		say(reason(facts, body, tree.path().at(-1)) + tree.note);
	} finally {
		cancelAnimationFrame(frame);
		show();
	}
}

/** Makes a text again by the steps of a link. */
export async function replay(tree, steps, signal, show) {
	if (steps[0]?.force !== null) await grow(tree, signal, show, { n: 0, seed: 0, sampling: {} });
	for (const step of steps) {
		if (step.force !== null) tree.force(await last([...tree.ids(), step.force], signal));
		const n = step.force === null ? step.n : step.n - 1;
		if (n > 0) await grow(tree, signal, show, { ...step, n });
	}
}

export function facts(f) {
	define(at("facts"), [
		["Seed", f?.seed],
		["Fingerprint", f?.fingerprint],
		["Speed", f?.perSecond && `${f.perSecond.toFixed(0)} tokens/s`],
		["First token", f?.first && `${f.first.toFixed(0)} ms`],
		["Cached", f?.prompt && `${f.cached ?? 0} of ${f.prompt} tokens`],
	]);
}
