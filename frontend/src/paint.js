// Planes on canvases, one pixel a value.

import { lutOf } from "./color.js";
import { isConstant } from "./plate.js";

/** @import { Colors, Picture, Plate } from "./types" */
/** @import { Store } from "./store.js" */

/** @type {ImageData | undefined} */
let scratch;

/**
 * Paints a plane; one of a single value is framed and hatched.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Colors} colors
 * @param {{plate: Plate, picture: Picture, i: number}} one
 * @param {Store} store
 * @param {Uint32Array} [lut] - The color of each byte.
 */
export function paint(
	canvas,
	colors,
	{ plate, picture, i },
	store,
	lut = lutOf(colors, plate, i, store),
) {
	const { width, height } = plate;
	const { pixels } = picture;
	const start = i * width * height;
	if (scratch?.width !== width || scratch.height !== height) scratch = new ImageData(width, height);
	const out = new Uint32Array(scratch.data.buffer);
	for (let at = 0; at < out.length; at++) out[at] = lut[pixels[start + at]];
	if (isConstant(plate, i)) hatch(out, width, height, colors.own, lut, store.coding.codes);
	put(canvas, scratch);
}

/**
 * @param {Uint32Array} out
 * @param {number} width
 * @param {number} height
 * @param {boolean} own - Whether the plane has its own range: then no color of it means anything.
 * @param {Uint32Array} lut
 * @param {Record<string, number>} codes
 */
function hatch(out, width, height, own, lut, codes) {
	for (let at = 0; at < out.length; at++) {
		const x = at % width;
		const y = (at - x) / width;
		const line = (x + y) % 3;
		const edge = !x || !y || x === width - 1 || y === height - 1;
		if (line === 0 || (edge && Math.min(width, height) > 4)) out[at] = lut[codes.constant];
		else if (own || line === 1) out[at] = lut[codes.gap];
	}
}

/**
 * Puts an image on a canvas, which takes its size.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} image
 */
export function put(canvas, image) {
	if (canvas.width !== image.width) canvas.width = image.width;
	if (canvas.height !== image.height) canvas.height = image.height;
	contextOf(canvas).putImageData(image, 0, 0);
}

/** @param {HTMLCanvasElement} canvas */
export const contextOf = (canvas) =>
	/** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
