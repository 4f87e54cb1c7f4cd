// Attention: what one query attends to, on the patches of the input or on a strip of tokens.

import { colormapOf } from "./color.js";
import { readingOf } from "./cursor.js";
import { make, makeButton, makeCanvas, style, write } from "./dom.js";
import { joined, rangeOf, short, within } from "./format.js";
import { placeName } from "./names.js";
import { contextOf, put } from "./paint.js";
import { valueOfLevel } from "./plate.js";

/** @import { Attention, Coding, Picture, Plate, Position, Shown, ShownChannel } from "./types" */
/** @import { State } from "./state.js" */

const MOST_PREFIX = 6; // tokens before the patches whose values are listed

/** The picture of one head. @typedef {ReturnType<typeof makeBox>} Box */

/**
 * The bytes of what a query attends to, a byte for each key.
 *
 * @param {Plate} plate
 * @param {Picture} picture
 * @param {number} i
 * @param {number} query
 */
export function rowOf({ full, width, height, shrink }, { pixels }, i, query) {
	const start = (i * height + Math.floor(query / shrink)) * width;
	return Uint8Array.from({ length: full[1] }, (_, key) => pixels[start + Math.floor(key / shrink)]);
}

/**
 * Where the keys that are drawn lie: on how many rows and columns, after how many others.
 *
 * @param {Attention} attention
 */
export const layoutOf = ({ grid, prefix, keys }) =>
	grid
		? { rows: grid[0], columns: grid[1], before: prefix.length }
		: { rows: 1, columns: keys, before: 0 };

/**
 * Whether the queries are the keys, so that a place among the keys is that of a query, too.
 *
 * @param {Attention} attention
 */
const isSelf = ({ queries, keys }) => queries === keys;

/**
 * A token in words.
 *
 * @param {Attention} attention
 * @param {number} n
 * @param {string} what - "query" or "key".
 */
export function tokenName(attention, n, what) {
	const { columns, before } = layoutOf(attention);
	const name = `${what} ${n}`;
	if (!attention.grid || (what === "query" && !isSelf(attention))) return name;
	if (n < before) return `${name} (${attention.prefix[n]})`;
	const patch = n - before;
	return `${name} (patch ${Math.floor(patch / columns)}, ${patch % columns})`;
}

/**
 * Makes the panel, which is absent where a layer has no attention weights.
 *
 * @param {State} state
 */
export function makeAttention(state) {
	/** @type {Box[]} */
	const boxes = [];
	let isAll = false;

	const title = make("strong");
	const toggle = makeButton("all heads", toggleAll, state.store.contents.tips.heads);
	const maps = make("div.fm-heads");
	const scale = makeCanvas("fm-scale", { "aria-hidden": true });
	const ends = make("div.fm-words");
	const words = make("div.fm-words");
	const element = make(
		"div.fm-attention",
		{ role: "group", label: "Attention of one query" },
		make("div.fm-head", title, toggle),
		maps,
		make("div", scale, ends),
		words,
	);

	function toggleAll() {
		isAll = !isAll;
		draw();
	}

	function draw() {
		const shown = state.shown.peek();
		const attention = shown?.layer.attention;
		element.hidden = !attention;
		if (!shown || !attention) return;
		const { plate } = shown;
		const { channel, position } = state.choice.peek();
		const reading = readingOf(state);
		const here = reading?.plate === plate ? reading : null; // else it is a pin's
		const query = (here?.position ?? position)?.[0] ?? 0;
		const i = here?.i ?? Math.max(0, plate.channels.indexOf(channel));
		toggle.hidden = plate.channels.length < 2;
		toggle.ariaPressed = String(isAll);
		element.classList.toggle("fm-all", isAll);
		write(title, `attention of ${tokenName(attention, query, "query")}`);
		drawMaps(shown, attention, isAll ? [...plate.channels.keys()] : [i], query);
		write(words, wordsOf(shown, attention, i, query, state.store.coding));
	}

	/**
	 * Draws the row of a query for some heads, in one range of colors or each in its own.
	 *
	 * @param {Shown} shown
	 * @param {Attention} attention
	 * @param {number[]} places - Of the heads among those that are here.
	 * @param {number} query
	 */
	function drawMaps(shown, attention, places, query) {
		const { layer, plate, picture, sample } = shown;
		const { coding } = state.store;
		const { rows, columns, before } = layoutOf(attention);
		const drawn = places.map((i) => {
			const codes = rowOf(plate, picture, i, query).subarray(before, before + rows * columns);
			const values = valuesOf(plate, i, codes, coding);
			return { i, codes, values, range: rangeOf(values.filter(Number.isFinite)) };
		});
		const isOne = state.settings.peek().scale !== "channel" || drawn.length < 2;
		const shared = rangeOf(drawn.flatMap(({ range }) => range));
		const table = sequential();
		while (boxes.length > drawn.length) boxes.pop()?.element.remove();
		drawn.forEach(({ i, codes, values, range }, n) => {
			boxes[n] ??= addBox();
			const box = boxes[n];
			const channel = plate.channels[i];
			const name = placeName(layer, plate, channel);
			const [low, high] = isOne ? shared : range;
			const colors = values.map((value, at) => {
				const part = high > low ? (value - low) / (high - low) : 0;
				return table[codes[at] < coding.levels ? Math.round(part * coding.last) : codes[at]];
			});
			paintColors(box.map, colors, columns);
			box.shows = { ...shown, i, channel };
			const patch = query - before;
			box.own.hidden = !isSelf(attention) || patch < 0 || patch >= colors.length;
			const [from0, from1] = [Math.floor(patch / columns) / rows, (patch % columns) / columns];
			style(box.own, { from0, from1, long0: 1 / rows, long1: 1 / columns });
			write(box.label, isAll ? joined([name, !isOne && toldRange(range)], ": ") : "");
			const most = values.indexOf(range[1]);
			box.element.ariaLabel = joined([
				`${name}: what ${tokenName(attention, query, "query")} attends to`,
				attention.grid ? `${rows} × ${columns} patches` : `${columns} keys`,
				most >= 0 &&
					`largest weight ${short(range[1], 3)} at ${tokenName(attention, most + before, "key")}`,
			]);
			drawPhoto(box, attention, sample);
		});
		paintColors(scale, table.subarray(0, coding.levels), coding.levels);
		write(ends, isOne ? toldRange(shared) : "color range per head");
	}

	/** The colors of a colormap that has no middle. */
	function sequential() {
		const settings = state.settings.peek();
		const isFit = !state.store.contents.diverging.includes(settings.cmap);
		return colormapOf(state.store, isFit ? settings : { ...settings, cmap: "auto" }, "viridis")
			.table;
	}

	/**
	 * Draws the input under the map, where its patches are.
	 *
	 * @param {Box} box
	 * @param {Attention} attention
	 * @param {number} sample
	 */
	async function drawPhoto(box, { on_input, grid }, sample) {
		const about = on_input && state.store.contents.images[sample];
		const { width, height } = about || { width: grid?.[1] ?? 8, height: grid?.[0] ?? 1 };
		box.element.className = joined([!about && "fm-bare", !grid && "fm-strip"], " ");
		style(box.element, { ratio: width / height, alpha: about ? state.settings.peek().alpha : 1 });
		const photo = about && (await state.store.photo(about.id));
		if (!photo || box.drawn === photo || state.shown.peek()?.sample !== sample) return;
		box.drawn = photo;
		box.photo.width = photo.width;
		box.photo.height = photo.height;
		contextOf(box.photo).drawImage(photo, 0, 0);
	}

	function addBox() {
		const box = makeBox({
			onpointermove(/** @type {PointerEvent} */ event) {
				event.stopPropagation(); // it is no place in a plane
				if (box.shows) state.hover.value = { ...box.shows, position: placeAt(box.map, event) };
			},
			onpointerleave() {
				state.hover.value = null;
			},
			onclick(/** @type {MouseEvent} */ event) {
				const { channel } = /** @type {ShownChannel} */ (box.shows);
				state.choose({ channel, position: placeAt(box.map, event) });
			},
		});
		maps.append(box.element);
		return box;
	}

	/**
	 * The place in a head's matrix that a point of its picture is for: the query of that patch, or,
	 * where the queries are others, its key.
	 *
	 * @param {HTMLElement} map
	 * @param {MouseEvent} event
	 * @returns {Position}
	 */
	function placeAt(map, { clientX, clientY }) {
		const attention = /** @type {Attention} */ (state.shown.peek()?.layer.attention);
		const { rows, columns, before } = layoutOf(attention);
		const { top, left, width, height } = map.getBoundingClientRect();
		const row = within(Math.floor(((clientY - top) / height) * rows), 0, rows - 1);
		const column = within(Math.floor(((clientX - left) / width) * columns), 0, columns - 1);
		const token = before + row * columns + column;
		const [query, key] = state.choice.peek().position ?? [0, token];
		return isSelf(attention) ? [token, key] : [query, token];
	}

	return { element, draw };
}

/** @param {Record<string, unknown>} listeners */
function makeBox(listeners) {
	const hidden = { "aria-hidden": true };
	const photo = makeCanvas("fm-photo", hidden);
	const map = makeCanvas("fm-map", hidden);
	const own = make("div.fm-own", hidden);
	const label = make("span", hidden);
	const picture = make("div.fm-attended", listeners, photo, map, own);
	return {
		element: make("div", { role: "img" }, picture, label),
		photo,
		map,
		own,
		label,
		/** The photo that is drawn. @type {ImageBitmap | null} */
		drawn: null,
		/** @type {ShownChannel | null} */
		shows: null,
	};
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} colors
 * @param {number} width
 */
function paintColors(canvas, colors, width) {
	const image = new ImageData(width, colors.length / width);
	new Uint32Array(image.data.buffer).set(colors);
	put(canvas, image);
}

/**
 * @param {Plate} plate
 * @param {number} i
 * @param {Uint8Array} codes
 * @param {Coding} coding
 */
const valuesOf = (plate, i, codes, coding) =>
	Array.from(codes, (code) =>
		code < coding.levels ? valueOfLevel(plate, i, code, coding) : Number.NaN,
	);

/** @param {[number, number]} range */
const toldRange = ([low, high]) =>
	low <= high
		? [...new Set([low, high])].map((end) => short(end, 3)).join(" to ")
		: "no finite value";

/**
 * What is said of one head: which it is, what the tokens before the patches get, and what was done.
 *
 * @param {Shown} shown
 * @param {Attention} attention
 * @param {number} i
 * @param {number} query
 * @param {Coding} coding
 */
function wordsOf({ layer, plate, picture }, { prefix }, i, query, coding) {
	const named = prefix.slice(0, MOST_PREFIX);
	const values = valuesOf(plate, i, rowOf(plate, picture, i, query), coding);
	const { shrink, low, high, channels } = plate;
	const half = ((high[i] ?? 0) - (low[i] ?? 0)) / (2 * coding.last);
	return joined(
		[
			placeName(layer, plate, channels[i]),
			...named.map((token, n) => `${token} ${short(values[n], 3)}`),
			prefix.length > MOST_PREFIX && "…",
			half && `values ± ${short(half, 2)}`,
			shrink > 1 && `means of ${shrink} × ${shrink} weights`,
		],
		" · ",
	);
}
