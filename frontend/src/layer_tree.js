// The layers: a tree of modules that folds, with a thumbnail and what was found in each, and a way
// to find them.

import { colorsOf } from "./color.js";
import { canvasIn, make, makeCanvas, reveal, style, write } from "./dom.js";
import { joined, percent, within } from "./format.js";
import { matcherOf } from "./matching.js";
import { contextOf, paint } from "./paint.js";
import { firstOf, shareOf } from "./plate.js";
import { rowsOf } from "./tree.js";

/** @import { Layer, Plate } from "./types" */
/** @import { Row } from "./tree.js" */
/** @import { State } from "./state.js" */

const THUMB = 40; // CSS pixels
const MOST_OPEN = 60; // rows that are unfolded at first

/**
 * Makes the tree.
 *
 * @param {State} state
 * @param {string} name - Begins the ids, as other explorers are on the page.
 */
export function makeLayerTree(state, name) {
	/** All rows as a tree, and those of layers as they ran. @type {Row[]} */
	let tree = [];
	/** @type {Row[]} */
	let flat = [];
	/** What is in sight, in order. @type {Row[]} */
	let listed = [];
	/** The ids of the rows that are folded. @type {Set<string>} */
	let folded = new Set();
	/** The row that the keys move from: a head can't be chosen. */
	let active = "";
	/** @type {Map<string, HTMLElement>} */
	const elements = new Map();
	/** @type {WeakMap<Element, Plate>} */
	const drawn = new WeakMap();

	const { tips } = state.store.contents;
	const count = make("span.fm-count", { "aria-live": "polite" });
	const finder = /** @type {HTMLInputElement} */ (
		make("input", {
			type: "search",
			placeholder: "Find layers  ( / )",
			label: "Find",
			tip: tips.find,
			oninput: list,
		})
	);
	const order = /** @type {HTMLSelectElement} */ (
		make(
			"select",
			{ label: "Layer order", tip: tips.order, onchange: list },
			...["module tree", "execution order", "most dead first"].map((text) => new Option(text)),
		)
	);
	const film = make("div.fm-tree", {
		role: "tree",
		label: "Layers",
		tabindex: 0,
		onclick(/** @type {MouseEvent} */ event) {
			const target = /** @type {HTMLElement} */ (event.target);
			const element = target.closest("[data-row]");
			const row = listed[Number(/** @type {HTMLElement | null} */ (element)?.dataset.row ?? -1)];
			if (!row) return;
			if (row.layer && !target.matches("i.fm-fold")) choose(row);
			else toggle(row);
		},
	});
	const watching = new IntersectionObserver(
		(seen) => {
			for (const { isIntersecting, target } of seen) {
				if (isIntersecting) drawThumb(/** @type {HTMLElement} */ (target));
			}
		},
		{ root: film },
	);

	/** Makes the rows anew. */
	function fill() {
		const isFirst = !tree.length;
		tree = rowsOf(state.store.contents);
		const byKey = new Map(tree.map((row) => [row.id, row]));
		flat = state.layers.flatMap(({ key }) => byKey.get(key) ?? []);
		if (isFirst && tree.length > MOST_OPEN) {
			folded = new Set(tree.filter(({ below }) => below.length).map(({ id }) => id));
		}
		elements.clear();
		tree.forEach((row, n) => {
			elements.set(row.id, makeRow(row, `${name}-row-${n}`, tips));
		});
		list();
	}

	/** Lists the rows that are sought, in the order that is wanted. */
	function list() {
		const isTree = !order.selectedIndex && !finder.value.trim();
		if (isTree) {
			listed = tree.filter(({ folders }) => !folders.some((id) => folded.has(id)));
		} else {
			const isMeant = matcherOf(finder.value);
			listed = flat.filter(({ layer }) => layer && isMeant(layer));
			if (order.selectedIndex === 2) listed.sort((a, b) => deadIn(b) - deadIn(a));
		}
		const found = listed.map((row, n) => {
			const element = /** @type {HTMLElement} */ (elements.get(row.id));
			const level = isTree ? row.level : 0;
			element.dataset.row = String(n);
			element.ariaLevel = String(level + 1);
			element.ariaExpanded = isTree && row.below.length ? String(!folded.has(row.id)) : null;
			style(element, { level });
			const [label] = element.getElementsByTagName("b");
			write(label, isTree || !row.layer ? row.name : row.layer.key);
			return element;
		});
		film.replaceChildren(...found);
		film.hidden = !found.length;
		const told = found.length ? `${found.length} of ${flat.length} layers` : "No layer matches.";
		write(count, finder.value.trim() ? told : "");
		markRows();
		activate(listed.some(({ id }) => id === active) ? active : state.choice.peek().layer);
	}

	function markRows() {
		const { layer } = state.choice.peek();
		for (const { id, below } of tree) {
			const element = elements.get(id);
			if (!element) continue;
			element.ariaSelected = String(id === layer);
			const isOver = folded.has(id) && below.some(({ key }) => key === layer);
			element.classList.toggle("fm-over", isOver);
		}
	}

	/** Unfolds what hides the chosen layer, and scrolls it into sight. */
	function mark() {
		const { layer } = state.choice.peek();
		const { folders = [] } = tree.find(({ id }) => id === layer) ?? {};
		active = layer;
		if (folders.filter((id) => folded.delete(id)).length) list();
		markRows();
		activate(layer);
	}

	/** @param {string} id */
	function activate(id) {
		for (const old of film.querySelectorAll(".fm-active")) old.classList.remove("fm-active");
		active = id;
		const element = elements.get(id);
		element?.classList.add("fm-active");
		if (element?.isConnected) film.setAttribute("aria-activedescendant", element.id);
		else film.removeAttribute("aria-activedescendant");
		if (element) reveal(film, { top: element.offsetTop, height: element.offsetHeight });
	}

	/** @param {Row | undefined} row */
	function choose(row) {
		if (row?.layer) state.go(row.layer.key);
		if (row) activate(row.id);
	}

	/** @param {Row} row */
	function toggle(row) {
		if (!row.below.length) return;
		if (!folded.delete(row.id)) folded.add(row.id);
		active = row.id;
		list();
	}

	/**
	 * Moves as in any tree: up and down; out and in, and fold and unfold on the way.
	 *
	 * @param {[number, number]} step - Down and right.
	 */
	function move([down, right]) {
		const at = listed.findIndex(({ id }) => id === active);
		const row = listed[at];
		const isOpen = row?.below.length && !folded.has(row.id) && !finder.value;
		if (right && row?.below.length && right > 0 !== Boolean(isOpen)) toggle(row);
		else if (right < 0) choose(tree.find(({ id }) => id === row?.folders[0]));
		else choose(listed[within(at + (down || right), 0, listed.length - 1)]);
	}

	/** @param {HTMLElement} element */
	async function drawThumb(element) {
		const layer = state.layerOf(element.dataset.layer);
		const plate = layer && firstOf(layer);
		const picture = plate && (await state.store.picture(plate.id));
		const now = state.layerOf(layer?.key);
		if (!picture || !now || firstOf(now) !== plate || drawn.get(element) === plate) return;
		drawn.set(element, plate);
		const usual = colorsOf(state.store, { layer, plate, picture }, {});
		const all = plate.channels.length;
		const aside = Math.min(4, Math.floor(Math.sqrt(all)));
		const side = THUMB / aside;
		const plane = makeCanvas("", {});
		const context = contextOf(canvasIn(element));
		context.imageSmoothingEnabled = plate.width > side;
		for (let n = 0; n < aside * aside; n++) {
			paint(plane, usual, { plate, picture, i: Math.floor((n * all) / aside ** 2) }, state.store);
			const [x, y] = [(n % aside) * side, Math.floor(n / aside) * side];
			context.drawImage(plane, x, y, side - 1, side - 1);
		}
	}

	return {
		element: make("div.fm-layers", make("div.fm-finding", finder, order, count), film),
		film,
		finder,
		fill,
		mark,
		/** Draws the thumbnails in sight anew if their layers have changed. */
		redrawThumbs() {
			watching.disconnect(); // to be told of all in sight
			for (const element of elements.values()) watching.observe(element);
		},
		move,
		/** Folds or unfolds the row that the keys are at, if it is a head. */
		press() {
			const row = tree.find(({ id }) => id === active);
			if (row && !row.layer) toggle(row);
			return Boolean(row && !row.layer);
		},
		/** Chooses the first layer that is listed. */
		goToFirst: () => choose(listed.find(({ layer }) => layer)),
		/** @param {number} by - How many layers further, whatever is folded. */
		step(by) {
			const isTree = !order.selectedIndex && !finder.value.trim();
			const keys = (isTree ? tree : listed).flatMap(({ layer }) => layer?.key ?? []);
			const at = keys.indexOf(state.choice.peek().layer) + by;
			state.go(keys[within(at, 0, keys.length - 1)]);
		},
		/** Lists all layers again. */
		reset() {
			finder.value = "";
			list();
		},
		stop: () => watching.disconnect(),
	};
}

/** @param {Row} row */
const deadIn = ({ layer }) => (layer ? shareOf(layer) : 0);

/**
 * @param {Row} row
 * @param {string} id
 * @param {Record<string, string>} tips
 */
function makeRow({ layer, below }, id, tips) {
	const fold = make("i.fm-fold", { "aria-hidden": true });
	if (!layer) {
		const dead = below.reduce((sum, one) => sum + shareOf(one), 0) / below.length;
		const words = joined([`${below.length} layers`, dead && `${percent(dead)} dead`]);
		const found = [words, alarmOf(below)];
		return make(
			"div.fm-module",
			{ role: "treeitem", id, tip: `${tips.module}: ${words}.` },
			fold,
			make("div", make("b"), make("span", found[0]), make("em", found[1])),
		);
	}
	const { key, kind, shape } = layer;
	const found = foundIn(layer);
	const isKnown = layer.dead_of > 0;
	const row = make(
		"div",
		{
			role: "treeitem",
			id,
			"data-layer": key,
			tip: `${key}: ${joined([`${kind} ${shape}`, found, alarmOf([layer])])}. ${isKnown ? tips.dead : ""}`,
		},
		fold,
		make("canvas", { width: THUMB, height: THUMB, "aria-hidden": true }),
		make(
			"div",
			make("b"),
			make("span", `${kind} ${shape}`),
			make("span", found),
			...(isKnown ? [make("i.fm-dead")] : []),
			make("em", alarmOf([layer])),
		),
	);
	style(row, { dead: shareOf(layer) });
	return row;
}

/** @param {Layer[]} layers */
function alarmOf(layers) {
	const [nan, inf] = ["nan", "inf"].map((what) =>
		layers.reduce((sum, layer) => sum + layer[/** @type {"nan" | "inf"} */ (what)], 0),
	);
	return joined([nan && `× ${nan} NaN`, inf && `↑ ${inf} inf`]);
}

/** @param {Layer} layer */
function foundIn(layer) {
	const { reason, dead, dead_of: of = layer.of } = layer;
	if (reason) return "no picture";
	if (dead) return `${dead} of ${of} dead, ${percent(shareOf(layer))}`;
	return of ? "none dead" : "";
}
