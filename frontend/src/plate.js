// What the planes of a layer hold, read from their text and their bytes.

import { joined, short } from "./format.js";

/** @import { Coding, Layer, Picture, Plate, Position, Strongest } from "./types" */

/** @param {Plate} plate */
export const isSingle = ({ full }) => full[0] * full[1] < 2;

/**
 * Whether a plane of several values holds one value throughout.
 *
 * @param {Plate} plate
 * @param {number} i
 */
export const isConstant = (plate, i) =>
	!isSingle(plate) && plate.low[i] === plate.high[i] && !plate.nan[i] && !plate.inf[i];

/**
 * The range of a plane; 0 to 0 where no value is finite.
 *
 * @param {Plate} plate
 * @param {number} i
 * @returns {[number, number]}
 */
export const endsOf = ({ low, high }, i) => [low[i] ?? 0, high[i] ?? 0];

/**
 * The largest magnitude in a plane.
 *
 * @param {Plate} plate
 * @param {number} i
 */
export const mostOf = (plate, i) => Math.max(...endsOf(plate, i).map(Math.abs));

/**
 * The value that a level stands for.
 *
 * @param {Plate} plate
 * @param {number} i
 * @param {number} level
 * @param {Coding} coding
 */
export function valueOfLevel(plate, i, level, { last }) {
	const [low, high] = endsOf(plate, i);
	return low + (level / last) * (high - low);
}

/**
 * @param {Layer} layer
 * @returns {Plate | undefined}
 */
export const firstOf = (layer) => layer.plates[layer.first];

/**
 * The share of a layer's channels that are dead, from 0 to 1.
 *
 * @param {Layer} layer
 */
export const shareOf = (layer) => (layer.dead ?? 0) / (layer.dead_of || layer.of || 1);

/**
 * How often each byte comes in a plane.
 *
 * @param {Picture} picture
 * @param {Plate} plate
 * @param {number} i
 */
export function countsOf(picture, plate, i) {
	if (!picture.counts[i]) {
		const size = plate.width * plate.height;
		const counts = new Uint32Array(256);
		for (let at = i * size; at < (i + 1) * size; at++) counts[picture.pixels[at]]++;
		picture.counts[i] = counts;
	}
	return picture.counts[i];
}

/**
 * Rounds as Python does: halves to the even neighbor.
 *
 * @param {number} number
 */
const roundedToEven = (number) =>
	number % 1 === 0.5 ? 2 * Math.round(number / 2) : Math.round(number);

/**
 * The levels that are left when a percentage of the values is left out at each end.
 *
 * @param {Uint32Array} counts
 * @param {number} robust
 * @param {Coding} coding
 */
export function innerLevels(counts, robust, { levels }) {
	const values = counts.subarray(0, levels);
	const last = values.reduce((a, b) => a + b, 0) - 1;
	const outside = roundedToEven((last * robust) / 100);
	const first = (/** @type {number} */ found, /** @type {number} */ step) => {
		let level = found;
		for (let seen = values[level]; seen <= outside && seen; seen += values[level]) level += step;
		return level;
	};
	return [first(values.findIndex(Boolean), 1), first(values.findLastIndex(Boolean), -1)];
}

/**
 * What a plane holds, in words.
 *
 * @param {Plate} plate
 * @param {number} i
 * @param {string} [exact] - Its range as the kernel tells it.
 */
export function describe(plate, i, exact) {
	const [low, high, nan, inf] = [plate.low[i], plate.high[i], plate.nan[i], plate.inf[i]];
	let range = exact ?? `${short(low)} to ${short(high)}`;
	if (low === null) range = "no finite value";
	else if (!exact && isConstant(plate, i)) range = `constant: ${short(low)}`;
	return joined([range, nan && `${nan} NaN`, inf && `${inf} infinite`]);
}

/**
 * The channel with the largest magnitude; undefined if there is none, or all are 0.
 *
 * @param {Layer} layer
 * @param {Plate | undefined} plate - Of the sample in question.
 * @returns {Strongest | undefined}
 */
export function strongestOf(layer, plate) {
	if (!plate) return undefined;
	const all = plate.channels.map((_, i) => mostOf(plate, i));
	const most = Math.max(...all);
	if (!(most > 0)) return undefined;
	const i = all.indexOf(most);
	const isHigh = most === plate.high[i];
	const end = isHigh ? `max ${short(most, 3)}` : `min ${short(-most, 3)}`;
	return { layer, channel: plate.channels[i], i, most, isHigh, end };
}

/**
 * The first place in a plane that has one of some bytes; null if none has.
 *
 * @param {Plate} plate
 * @param {Picture} picture
 * @param {number} i
 * @param {number[]} codes
 * @returns {Position | null}
 */
export function placeOf({ width, height, shrink }, { pixels }, i, codes) {
	const start = i * width * height;
	const plane = pixels.subarray(start, start + width * height);
	const at = plane.findIndex((code) => codes.includes(code));
	return at < 0 ? null : [Math.floor(at / width) * shrink, (at % width) * shrink];
}

/**
 * The index of a place in the layer's own tensor.
 *
 * @param {NonNullable<Plate["reach"]>} reach
 * @param {number} channel
 * @param {Position} position
 */
export function indexOf({ shape, steps }, channel, [y, x]) {
	let rest = steps[0] + channel * steps[1] + y * steps[2] + x * steps[3];
	const index = [];
	for (const side of shape.toReversed()) {
		index.push(rest % side);
		rest = Math.floor(rest / side);
	}
	return index.reverse();
}
