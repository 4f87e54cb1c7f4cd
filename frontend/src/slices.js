// The slices of volumes: which one is chosen, where its planes are, and what there is to choose.

/** @import { Choice, Layer, Slice } from "./types" */

/** What is made of all slices, and what the control says of it. */
const MADE_OF_ALL = { mean: "mean", mip: "maximum projection" };

/**
 * The slice of a layer that a choice means: its last one where it is shallower, and null where it is
 * no volume.
 *
 * @param {Layer} layer
 * @param {Pick<Choice, "slice">} choice
 * @returns {Slice}
 */
export function sliceOf({ slices }, { slice }) {
	if (!slices) return null;
	if (slice === "mid") return slices >> 1;
	return typeof slice === "number" ? Math.min(slice, slices - 1) : slice;
}

/**
 * The key of planes among those of their layer.
 *
 * @param {number} sample
 * @param {Slice} slice
 */
export const plateKey = (sample, slice) => (slice === null ? `${sample}` : `${sample}/${slice}`);

/**
 * The sample and the slice that a key stands for.
 *
 * @param {string} key
 * @returns {{sample: number, slice?: Choice["slice"]}}
 */
export function choiceOf(key) {
	const [sample, slice] = key.split("/");
	if (!slice) return { sample: Number(sample) };
	const isNumber = !(slice in MADE_OF_ALL);
	return { sample: Number(sample), slice: /** @type {any} */ (isNumber ? Number(slice) : slice) };
}

/**
 * What a question for a layer, sample and slice says of them.
 *
 * @param {string} layer
 * @param {number} sample
 * @param {Slice} slice
 */
export const whereOf = (layer, sample, slice) =>
	slice === null ? { layer, sample } : { layer, sample, slice };

/**
 * A slice in words; "" for what is no volume.
 *
 * @param {Slice} slice
 */
export function sliceName(slice) {
	if (slice === null) return "";
	return typeof slice === "number" ? `slice ${slice}` : MADE_OF_ALL[slice];
}

/**
 * The choices of a layer: text and value of each.
 *
 * @param {Layer} layer
 * @returns {[string, string][]}
 */
export const slicesOf = ({ slices }) => [
	...Array.from({ length: slices }, (_, n) => /** @type {[string, string]} */ ([`${n}`, `${n}`])),
	...Object.entries(MADE_OF_ALL).map(
		([key, words]) => /** @type {[string, string]} */ ([words, key]),
	),
];
