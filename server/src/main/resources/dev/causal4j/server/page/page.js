// The page: its tabs, and what is common to them.

import { connect, server } from "./api.js";
import { TreeView } from "./branches.js";
import { decode, encode, forget, hash, keep, past } from "./link.js";
import { complain, enter, facts, grow, run, say, stop, stopped } from "./run.js";
import { score } from "./score.js";
import * as settings from "./settings.js";
import { at, h, step } from "./sheet.js";
import { chat, write } from "./tabs.js";

const buttons = [...document.querySelectorAll("[role=tab]")];
let showCode = () => {};
let open = "write";
let id = "";

const desk = {
	renew() {
		id = `${Date.now()}`;
		history.replaceState(null, "", location.pathname);
	},

	changed() {
		showCode();
		const made = tabs[open].facts();
		facts(made);
		for (const name of ["link", "export"]) at(name).disabled = !made;
	},

	show(tree) {
		at("branches").hidden = !tree?.path().length;
		if (tree) branches.show(tree);
		this.changed();
	},

	async grow(tree, step) {
		await run(signal => grow(tree, signal, () => tabs[open].show(), step));
		this.save();
	},

	async branch(tree, list, place, alternate) {
		await stopped();
		let goesOn = false;
		await run(async signal => (goesOn = await tree.choose(place, alternate, signal)));
		tabs[open].show();
		list.focus(place, true);
		if (goesOn) await this.grow(tree);
	},

	/** Keeps the text's link. */
	save() {
		const tab = tabs[open];
		if (!tab.tokens().length) return;
		id ||= `${Date.now()}`;
		const { fingerprint } = tab.facts();
		const link = { tab: open, model: server.model, fingerprint, turns: tab.turns(), hash: hash(tab.tokens()) };
		if (open === "chat") Object.assign(link, { system: settings.system(), shape: settings.shape() });
		history.replaceState(null, "", encode(link));
		keep({ id, tab: open, title: tab.text().slice(0, 80), when: Date.now(), link: location.hash });
		list();
	},
};

const tabs = { write: write(desk), chat: chat(desk), score: score(desk) };
const branches = new TreeView(at("tree"), (tree, branch) => {
	tree.current = branch;
	tabs[open].show();
	desk.save();
});

function select(name) {
	open = name;
	for (const button of buttons) {
		const on = button.id === `tab-${name}`;
		button.setAttribute("aria-selected", on);
		button.tabIndex = on ? 0 : -1;
		at(button.id.slice(4)).hidden = !on;
	}
	document.body.dataset.tab = name;
	settings.select(name);
	complain(null);
	say("");
	tabs[name].show();
}

for (const button of buttons) {
	button.onclick = () => {
		stop();
		const [from, to] = [tabs[open], tabs[button.id.slice(4)]];
		if (from.set && to.set && from.text() !== to.text()) to.set(from.text()); // Write and Score have one text
		if (from !== to) desk.renew();
		select(button.id.slice(4));
	};
	button.onkeydown = e => {
		const to = step(e.key, buttons.indexOf(button), buttons.length, "ArrowLeft", "ArrowRight");
		if (to === undefined) return;
		buttons[to].click();
		buttons[to].focus();
		e.preventDefault();
	};
}

document.addEventListener("keydown", e => {
	if (e.key === "Escape") stop();
	if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) enter(tabs[open].go);
});

at("shading").onchange = e => document.body.classList.toggle("plain", !e.target.checked);

at("new").onclick = async () => {
	await stopped();
	desk.renew();
	tabs[open].clear();
	say("");
};

at("link").onclick = async () => {
	desk.save();
	const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
	say(`The link is ${copied ? "copied" : "in the address bar"}. It holds text, settings and seeds.`);
};

at("export").onclick = () => {
	const tab = tabs[open];
	const all = { model: server.model, ...tab.facts(), tab: open, text: tab.text(), turns: tab.turns(), tokens: tab.tokens() };
	const href = URL.createObjectURL(new Blob([JSON.stringify(all, null, 1)], { type: "application/json" }));
	h("a", { href, download: `causal4j-${open}.json` }).click();
	setTimeout(() => URL.revokeObjectURL(href), 10_000);
};

async function openLink() {
	await stopped();
	await run(async signal => {
		const link = decode(location.hash);
		select(link.tab);
		settings.open(link);
		const tab = tabs[link.tab];
		await tab.open(link.turns, signal);
		const { fingerprint } = tab.facts();
		const same = fingerprint === link.fingerprint ? "" : ` It was made by "${link.model}" (${link.fingerprint}); this is "${server.model}" (${fingerprint}).`;
		say(hash(tab.tokens()) === link.hash ? "The same text again, token for token." : `The text differs from that of the link.${same}`);
	});
}

function list() {
	const items = past().map(item => {
		const onclick = () => ({ id, link: location.hash } = item);
		const about = `${item.tab} · ${new Date(item.when).toLocaleString()}`;
		return h("li", null, h("button", { onclick }, h("bdi", { class: "name" }, item.title), h("small", null, about)));
	});
	at("items").replaceChildren(...items);
}

at("forget").onclick = () => {
	forget();
	list();
};

async function begin() {
	try {
		await connect();
		complain(null);
	} catch (e) {
		complain(e);
		at("more").open ||= e.status === 401;
		at("key").onchange = begin;
		return;
	}
	at("model").textContent = server.model;
	at("context").textContent = `${server.context} tokens of context`;
	if (location.hash) await openLink();
}

list();
showCode = settings.listen(() => tabs[open].request());
addEventListener("hashchange", openLink);
select("write");
begin();
