// Kernel × patch as numbers: what the kernel tells of one value of a convolution.

import { short } from "./format.js";

/** @import { Answer } from "./types" */

/**
 * What `PatchText` in featmagic/explorer/patch_text.py describes, with the numbers.
 *
 * @typedef {object} KernelPatch
 * @property {string} words
 * @property {string[]} captions
 * @property {string[][]} cells
 * @property {number} source
 * @property {number} first
 * @property {number} last
 * @property {number} strongest
 * @property {string | null} input
 * @property {string[]} rows
 * @property {number[]} columns
 * @property {number[]} padding
 * @property {boolean} signed
 * @property {Float64Array} sums - Of each channel.
 * @property {Float64Array[]} factors - Patch, kernel and product.
 * @property {Uint8Array[]} colors - A byte for each of their values.
 */

/**
 * Reads the answer to a question for a patch.
 *
 * @param {Answer} answer
 * @returns {KernelPatch}
 */
export function readPatch({ content, buffers: [{ buffer, byteOffset, byteLength }] }) {
	const count = content.last - content.first + 1;
	const size = content.padding.length;
	const end = byteOffset + 8 * (count + 3 * size);
	const numbers = new Float64Array(buffer.slice(byteOffset, end));
	const bytes = new Uint8Array(buffer, end, byteOffset + byteLength - end);
	/**
	 * @template {Float64Array | Uint8Array} T
	 * @param {T} all
	 * @returns {T[]}
	 */
	const three = (all) =>
		[0, 1, 2].map((n) => /** @type {T} */ (all.subarray(n * size, (n + 1) * size)));
	const factors = three(numbers.subarray(count));
	return { ...content, sums: numbers.subarray(0, count), factors, colors: three(bytes) };
}

/**
 * One product in words.
 *
 * @param {KernelPatch} one
 * @param {number} y
 * @param {number} x
 */
export function productOf({ rows, columns, padding, factors }, y, x) {
	const i = y * columns.length + x;
	const [a, b, c] = factors.map((values) => short(values[i]));
	return `${padding[i] ? "padding" : "input"} at (${rows[y]}${columns[x]}): ${a} × ${b} = ${c}`;
}
