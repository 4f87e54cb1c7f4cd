// Colors: which map and which ranges a layer is drawn in, and the color of each byte.

import { rangeOf, within } from "./format.js";
import { countsOf, endsOf, firstOf, innerLevels, isSingle, valueOfLevel } from "./plate.js";

/** @import { Colors, Layer, Picture, Plate, Settings } from "./types" */
/** @import { Store } from "./store.js" */

/**
 * Returns the colormap that everything is drawn in, and the color of each byte in it.
 *
 * @param {Store} store
 * @param {Partial<Settings>} settings
 * @param {string} usual - The one that `auto` stands for.
 */
export function colormapOf(store, { cmap = "auto" }, usual) {
	const name = store.contents.cmaps[cmap] ? cmap : usual;
	return { name, table: store.table(name) };
}

/**
 * Returns the colors of a layer: around 0 where there are both signs.
 *
 * @param {Store} store
 * @param {{layer: Layer, plate: Plate, picture: Picture}} one
 * @param {Partial<Settings>} settings
 * @param {[number, number] | null} [range] - One for all planes, whatever the settings say.
 * @returns {Colors}
 */
export function colorsOf(store, { layer, plate, picture }, settings, range = null) {
	const { scale = "channel", robust = 0, gamma = 1 } = settings;
	const { diverging } = store.contents;
	const own = scale === "channel" && !isSingle(plate) && !range;
	let ranges = plate.low.map((_, i) => rangeIn(store, plate, picture, i, robust));
	if (!own) ranges.fill(range ?? sharedRange(store, plate, ranges, scale));
	const ends = ranges.flat();
	const around = layer.signed || [-1, 1].every((way) => ends.some((end) => end * way > 0));
	const { name, table } = colormapOf(store, settings, around ? "RdBu_r" : "viridis");
	const centered = around && diverging.includes(name);
	if (centered) ranges = ranges.map(([low, high]) => [-Math.max(-low, high), Math.max(-low, high)]);
	const place = (/** @type {number} */ i, /** @type {number} */ value) => {
		const [low, high] = ranges[i];
		const t = high > low ? within((value - low) / (high - low), 0, 1) : 0;
		if (!centered) return t ** gamma;
		return (1 + Math.sign(t - 0.5) * Math.abs(2 * t - 1) ** gamma) / 2;
	};
	return { name, centered, own, ranges, gamma, place, table };
}

/**
 * @param {Store} store
 * @param {Plate} plate
 * @param {Picture} picture
 * @param {number} i
 * @param {number} robust
 * @returns {[number, number]}
 */
function rangeIn({ coding }, plate, picture, i, robust) {
	if (!robust) return endsOf(plate, i);
	const [low, high] = innerLevels(countsOf(picture, plate, i), robust, coding);
	return [valueOfLevel(plate, i, low, coding), valueOfLevel(plate, i, high, coding)];
}

/**
 * The one range of all planes with a finite value, or of those of all layers.
 *
 * @param {Store} store
 * @param {Plate} plate
 * @param {[number, number][]} ranges
 * @param {string} scale
 * @returns {[number, number]}
 */
function sharedRange({ contents }, plate, ranges, scale) {
	const known = ranges.filter((_, i) => plate.low[i] !== null).flat();
	if (scale === "all") {
		for (const one of contents.layers.map(firstOf)) {
			known.push(...[one?.low, one?.high].flat().filter((end) => typeof end === "number"));
		}
	}
	return known.length ? rangeOf(known) : [0, 0];
}

/**
 * Returns the color of each byte of a plane.
 *
 * @param {Colors} colors
 * @param {Plate} plate
 * @param {number} i
 * @param {Store} store
 */
export function lutOf({ table, place }, plate, i, { coding }) {
	const { levels, last } = coding;
	return table.map((rgba, code) =>
		code < levels ? table[Math.round(place(i, valueOfLevel(plate, i, code, coding)) * last)] : rgba,
	);
}
