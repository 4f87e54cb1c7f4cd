// The list of layers: a row for each, with a thumbnail, what was found in it, and a way to find it.

import { colorsOf } from "./color.js";
import { canvasIn, make, makeButton, makeCanvas, reveal, style, write } from "./dom.js";
import { joined, percent, within } from "./format.js";
import { contextOf, paint } from "./paint.js";
import { firstOf, shareOf, strongestOf } from "./plate.js";

/** @import { Layer, Plate, Strongest } from "./types" */
/** @import { State } from "./state.js" */

const THUMB = 48; // CSS pixels

/**
 * Makes the list.
 *
 * @param {State} state
 * @param {string} name - Begins the ids, as other explorers are on the page.
 */
export function makeLayerList(state, name) {
	/** @type {Map<string, HTMLElement>} */
	const rows = new Map();
	/** @type {WeakMap<Element, Plate>} */
	const drawn = new WeakMap();
	/** @type {Layer[]} */
	let listed = [];
	/** @type {Strongest | undefined} */
	let strong;

	const deadest = makeButton("", () => state.go(deadest.value));
	const strongest = makeButton("", () => strong && state.go(strong.layer.key, strong.channel));
	const finder = /** @type {HTMLInputElement} */ (
		make("input", { type: "search", placeholder: "find by name  /", label: "Find", oninput: list })
	);
	const order = /** @type {HTMLSelectElement} */ (
		make(
			"select",
			{ label: "Film order", onchange: list },
			new Option("as run"),
			new Option("most dead first"),
		)
	);
	const film = make("div.fm-film", {
		role: "listbox",
		label: "Layers",
		tabindex: 0,
		onclick: (/** @type {MouseEvent} */ { target }) => {
			const row = /** @type {Element} */ (target).closest("[data-layer]");
			state.go(/** @type {HTMLElement | null} */ (row)?.dataset.layer);
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
		rows.clear();
		state.layers.forEach((layer, i) => {
			rows.set(layer.key, makeRow(layer, `${name}-layer-${i}`));
		});
		const most = state.layers.reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a));
		deadest.value = most.key;
		deadest.disabled = !most.dead;
		const share = `${percent(shareOf(most))} of ${most.noun} dead`;
		write(
			deadest,
			most.dead ? `deadest layer: ${most.key}, ${share}` : "no layer has dead channels",
		);
		strong = state.layers
			.map((layer) => strongestOf(layer, state.plateOf(layer)))
			.filter((one) => one !== undefined)
			.sort((a, b) => b.most - a.most)[0];
		write(strongest, strong ? `strongest channel: ${strong.text} of ${strong.layer.key}` : "");
		list();
	}

	/** Lists the rows that are sought, in the order that is wanted. */
	function list() {
		const sought = finder.value.trim().toLowerCase();
		listed = state.layers.filter(({ key }) => key.toLowerCase().includes(sought));
		if (order.selectedIndex) listed.sort((a, b) => shareOf(b) - shareOf(a));
		const found = listed.map(({ key }) => /** @type {HTMLElement} */ (rows.get(key)));
		film.replaceChildren(...found, listed.length ? "" : `no name has “${sought}” in it`);
		mark();
	}

	/** Marks the chosen layer and scrolls it into sight. */
	function mark() {
		const { layer } = state.choice.peek();
		for (const [key, row] of rows) row.ariaSelected = String(key === layer);
		const row = rows.get(layer);
		film.setAttribute("aria-activedescendant", row?.isConnected ? row.id : "");
		if (!row) return;
		const { offsetTop: top, offsetLeft: left, offsetHeight: height, offsetWidth: width } = row;
		reveal(film, { top, left, height, width });
	}

	/** @param {HTMLElement} row */
	async function drawThumb(row) {
		const layer = state.layerOf(row.dataset.layer);
		const plate = layer && firstOf(layer);
		const picture = plate && (await state.store.picture(plate.id));
		if (!picture || drawn.get(row) === plate) return;
		drawn.set(row, plate);
		const usual = colorsOf(state.store, { layer, plate, picture }, {});
		const all = plate.channels.length;
		const count = Math.min(4, Math.floor(Math.sqrt(all)));
		const side = THUMB / count;
		const plane = makeCanvas("", {});
		const context = contextOf(canvasIn(row));
		context.imageSmoothingEnabled = plate.width > side;
		for (let n = 0; n < count * count; n++) {
			paint(plane, usual, { plate, picture, i: Math.floor((n * all) / count ** 2) }, state.store);
			const [x, y] = [(n % count) * side, Math.floor(n / count) * side];
			context.drawImage(plane, x, y, side - 1, side - 1);
		}
	}

	return {
		element: make(
			"div.fm-left",
			{},
			make("div.fm-shortcuts", {}, deadest, strongest),
			make("div.fm-finding", {}, finder, order),
			film,
		),
		film,
		finder,
		fill,
		mark,
		/** Draws the thumbnails in sight anew if their layers have changed. */
		redrawThumbs() {
			watching.disconnect(); // to be told of all in sight
			for (const row of rows.values()) watching.observe(row);
		},
		/** Chooses the first layer that is listed. */
		goToFirst: () => state.go(listed[0]?.key),
		/** @param {number} by - How many layers further in the list. */
		step(by) {
			const at = listed.findIndex(({ key }) => key === state.choice.peek().layer) + by;
			state.go(listed[within(at, 0, listed.length - 1)]?.key);
		},
		/** Lists all layers again. */
		reset() {
			finder.value = "";
			list();
		},
		stop: () => watching.disconnect(),
	};
}

/**
 * @param {Layer} layer
 * @param {string} id
 */
function makeRow(layer, id) {
	const { key, kind, shape, nan, inf } = layer;
	const row = make(
		"div",
		{ role: "option", id, "data-layer": key },
		make("canvas", { width: THUMB, height: THUMB, "aria-hidden": true }),
		make(
			"div",
			{},
			make("b", {}, key),
			make("span", {}, `${kind} ${shape}`),
			make("span", {}, foundIn(layer)),
			make("i"),
			make("em", {}, joined([nan && `× ${nan} NaN`, inf && `↑ ${inf} inf`])),
		),
	);
	style(row, { dead: shareOf(layer) });
	return row;
}

/** @param {Layer} layer */
function foundIn(layer) {
	const { reason, dead, dead_of: of = layer.of } = layer;
	if (reason) return "no picture";
	if (dead) return `${dead} of ${of} dead, ${percent(shareOf(layer))}`;
	return of ? "none dead" : "";
}
