// The grid of channels: only the tiles in sight exist, and those that scroll out come in again.
// A picture of all channels of a layer takes the whole room, with axes.

import { makeAxes } from "./axes.js";
import { canvasIn, keepFocus, make, makeButton, reveal, style, write } from "./dom.js";
import { joined, short, within } from "./format.js";
import { isWhole, placeName } from "./names.js";
import { paint } from "./paint.js";
import { describe, isConstant, isSingle, mostOf } from "./plate.js";

/** @import { Colors, Layer, Plate, PlaneBox, Shown, Tiling } from "./types" */
/** @import { State } from "./state.js" */

const GAP = 6; // between tiles, in CSS pixels
const MARGIN = { left: 44, below: 34 }; // of axes

/**
 * Makes the grid.
 *
 * @param {State} state
 * @param {string} id - Begins the ids, as other explorers are on the page.
 * @param {{placeIn: (box: PlaneBox, event: MouseEvent) => import("./types").Position, redraw: () => void, toggleFull: () => void}} how
 */
export function makeChannelGrid(state, id, { placeIn, redraw, toggleFull }) {
	/** @type {HTMLElement[]} */
	const tiles = [];
	/** What is drawn on a tile. @type {WeakMap<Element, {colors: Colors, channel: number}>} */
	const drawn = new WeakMap();

	const title = make("div.fm-title");
	const reason = make("p.fm-reason");
	const spacer = make("div.fm-spacer");
	const { tips } = state.store.contents;
	const bestHere = makeButton("", goToBest, tips.best);
	let axes = "";
	const grid = make(
		"div.fm-grid",
		{
			role: "listbox",
			label: "Channels",
			tabindex: 0,
			onscroll: redraw,
			onclick(/** @type {MouseEvent} */ event) {
				const tile = /** @type {Element} */ (event.target).closest("[data-channel]");
				if (!(tile instanceof HTMLElement)) return;
				const box = /** @type {PlaneBox} */ (tile.firstElementChild);
				const channel = Number(tile.dataset.channel);
				state.choose({ channel, position: placeIn(box, event) });
			},
			ondblclick: toggleFull,
		},
		spacer,
	);

	function goToBest() {
		const best = state.best.peek();
		if (best) state.choose({ channel: best.channel, position: best.position }, true);
	}

	function draw() {
		const [shown, best] = [state.shown.peek(), state.best.peek()];
		const layer = shown?.layer ?? state.layer;
		const { key, kind, shape, dtype, device, words = [] } = layer;
		write(title, joined([key, joined([kind, shape, dtype, device], " "), ...words], " · "));
		const name =
			best && placeName(layer, best.plate, best.channel, best.isAlone ? best.position : null);
		write(bestHere, best ? `strongest: ${name} (${best.end})` : "");
		write(reason, shown ? "" : state.missing.peek());
		if (!shown) keepFocus(grid);
		grid.hidden = !shown;
		if (state.isNewLayer) grid.scrollTop = 0;
		state.isNewLayer = false;
		if (shown) drawTiles(shown);
		else grid.removeAttribute("aria-activedescendant");
	}

	/** @param {Shown} shown */
	function drawTiles({ plate, ...rest }) {
		const { places } = state.order.peek();
		const { zoom } = state.settings.peek();
		const hasAxes = isWhole(rest.layer);
		const room = { width: Math.max(40, grid.clientWidth - 12), height: grid.clientHeight - 12 };
		const tiling = hasAxes
			? fillingOf(plate, room, zoom)
			: tilingOf(plate, places.length, room, zoom);
		const { columns, down, wide, tall } = tiling;
		state.tiling = tiling;
		drawAxes(rest.layer, plate, hasAxes ? [tall, wide] : null);
		const isSmaller = wide < plate.width || tall < plate.height;
		spacer.style.height = `${Math.ceil(places.length / columns) * down}px`;
		style(spacer, {
			wide: `${wide}px`,
			tall: `${tall}px`,
			render: isSmaller ? "auto" : "pixelated",
			font: wide < 24 ? 0 : "10px",
		});
		const at = state.place;
		if (state.reveals && at >= 0) {
			reveal(grid, { top: Math.floor(at / columns) * down, height: down + 12 });
		}
		state.reveals = false;
		const count = (Math.ceil(grid.clientHeight / down) + 2) * columns;
		const first = Math.max(0, Math.floor(grid.scrollTop / down) - 1) * columns;
		while (tiles.length > count) tiles.pop()?.remove();
		for (let place = first; place < first + count; place++) {
			tiles[place % count] ??= makeTile();
			const tile = tiles[place % count];
			if (places[place] === undefined) tile.remove();
			else drawTile(tile, { plate, ...rest }, places[place], place);
		}
		const active = tiles.find((tile) => tile.ariaSelected === "true" && tile.isConnected);
		if (active) grid.setAttribute("aria-activedescendant", active.id);
		else grid.removeAttribute("aria-activedescendant");
	}

	/**
	 * @param {Layer} layer
	 * @param {Plate} plate
	 * @param {[number, number] | null} sides - Of the picture in pixels; null for none.
	 */
	function drawAxes({ axes: { down, across, fold } }, { full }, sides) {
		const now = sides ? joined([down, across, fold, ...full, ...sides]) : "";
		grid.classList.toggle("fm-whole", Boolean(sides));
		if (now === axes) return;
		axes = now;
		for (const old of spacer.querySelectorAll(".fm-axis")) old.remove();
		if (!sides) return;
		const names = fold ? { down: "", across: fold } : { down, across };
		spacer.append(...makeAxes(full, sides, names, fold ? full[1] : 1));
	}

	/**
	 * @param {HTMLElement} tile
	 * @param {Shown} shown
	 * @param {number} i
	 * @param {number} place
	 */
	function drawTile(tile, shown, i, place) {
		const { plate } = shown;
		const channel = plate.channels[i];
		const colors = /** @type {Colors} */ (state.colors.peek());
		const { columns, wide, down } = /** @type {Tiling} */ (state.tiling);
		const [x, y] = [(place % columns) * (wide + GAP), Math.floor(place / columns) * down];
		tile.style.transform = `translate(${x}px, ${y}px)`;
		tile.ariaSelected = String(channel === state.choice.peek().channel);
		if (!tile.isConnected) spacer.append(tile);
		const last = drawn.get(tile);
		if (last?.colors === colors && last.channel === channel) return;
		drawn.set(tile, { colors, channel });
		tile.id = `${id}-channel-${channel}`;
		tile.dataset.channel = String(channel);
		tile.ariaPosInSet = String(place + 1);
		tile.ariaSetSize = String(state.order.peek().places.length);
		const what = describe(plate, i);
		tile.ariaLabel = `${channel}: ${what}`;
		const name = placeName(shown.layer, plate, channel);
		tile.dataset.tip = `${name}: ${what}. ${tips.strength}`;
		const box = /** @type {PlaneBox} */ (tile.firstElementChild);
		box.shows = { ...shown, channel, i };
		write(/** @type {Element} */ (tile.lastElementChild), labelOf(plate, i, wide < 56));
		style(tile, { strength: mostOf(plate, i) / (state.best.peek()?.most || 1) });
		paint(canvasIn(box), colors, box.shows, state.store);
	}

	return {
		head: make("div.fm-head", title, bestHere),
		body: [grid, reason],
		grid,
		draw,
		/** @param {number} by - How many channels further in the order. */
		move(by) {
			const shown = state.shown.peek();
			const { places } = state.order.peek();
			if (!shown) return;
			const place = places[within(state.place + by, 0, places.length - 1)];
			state.choose({ channel: shown.plate.channels[place] }, true);
		},
	};
}

function makeTile() {
	const hidden = { "aria-hidden": true };
	const box = make("div.fm-pic", make("canvas", hidden));
	return make("div.fm-tile", { role: "option" }, box, make("span", hidden));
}

/**
 * @param {Plate} plate
 * @param {number} i
 * @param {boolean} isShort - Whether a value has no room.
 */
function labelOf(plate, i, isShort) {
	const isOne = isConstant(plate, i) || (isSingle(plate) && plate.low[i] !== null);
	const isKnown = isOne && !isShort;
	const value = isKnown && `= ${short(plate.low[i], 2)}`;
	const parts = [String(plate.channels[i]), plate.nan[i] && "×", plate.inf[i] && "↑", value];
	return joined(parts, " ");
}

/**
 * Returns tiles as large as leaves all of them in sight; where they never are, large enough to be
 * told apart. Single values fill the room.
 *
 * @param {Plate} plate
 * @param {number} count - The number of tiles.
 * @param {{width: number, height: number}} room
 * @param {number} zoom - CSS pixels to a value; 0 for what fits.
 * @returns {Tiling}
 */
export function tilingOf(plate, count, room, zoom) {
	const { width, height } = plate;
	const long = Math.max(width, height);
	const least = zoom ? 1 : 24;
	const at = (/** @type {number} */ by) => {
		const scale = zoom || Math.min(by, room.width / width, 640 / height);
		const [wide, tall] = [width, height].map((side) => Math.max(least, side * scale));
		const columns = Math.max(1, Math.floor((room.width + GAP) / (wide + GAP)));
		const down = tall + (wide < 24 ? 10 : 22);
		const fits = Math.ceil(count / columns) * down < room.height;
		return { zoom: scale, wide, tall, columns, down, fits };
	};
	const widest = isSingle(plate) ? 640 : 64;
	const longest = Math.min(isSingle(plate) ? 640 : 256, room.width);
	let by = Math.max(1, Math.min(Math.ceil(48 / Math.min(width, height)), Math.floor(320 / long)));
	let best = at(by);
	for (by++; by <= widest && by * long <= longest; by++) {
		const next = at(by);
		if (!next.fits) break;
		best = next;
	}
	return best;
}

/**
 * Returns one picture that fills the room beside its axes, each side by itself.
 *
 * @param {Plate} plate
 * @param {{width: number, height: number}} room
 * @param {number} zoom - CSS pixels to a value; 0 for what fits.
 * @returns {Tiling}
 */
function fillingOf({ width, height }, room, zoom) {
	const sides = [room.width - MARGIN.left, room.height - MARGIN.below];
	const [wide, tall] = [width, height].map((side, n) => {
		const most = sides[n] / side;
		return Math.max(24, side * (zoom || (most > 1 ? Math.floor(most) : most)));
	});
	return { zoom: wide / width, wide, tall, columns: 1, down: tall + MARGIN.below, fits: true };
}
