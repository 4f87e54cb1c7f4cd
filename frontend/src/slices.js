// The slices of volumes: which one is chosen, where its planes are, and the control for it.

import { make } from "./dom.js";

/** @import { Choice, Layer, Shown, Slice } from "./types" */
/** @import { Control } from "./controls.js" */
/** @import { State } from "./state.js" */

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
 * Makes the control, which is absent where a layer has no slices.
 *
 * @param {State} state
 * @param {string} name - Begins the id, as other explorers are on the page.
 * @returns {Control}
 */
export function sliceControl(state, name) {
	const onchange = () => {
		const { value } = field;
		const slice = value === "mean" || value === "mip" ? value : Number(value);
		state.choose({ slice });
	};
	const field = /** @type {HTMLSelectElement} */ (make("select", { id: `${name}Slice`, onchange }));
	const label = make("label", { for: field.id }, "Slice");
	const element = make("div.fm-control", {}, label, field);
	return {
		element,
		field,
		value: () => sliceOf(state.layer, state.choice.peek()) ?? "",
		update({ slices }) {
			element.hidden = !slices;
			const made = Object.entries(MADE_OF_ALL);
			if (!slices || field.options.length === slices + made.length) return;
			const numbers = Array.from({ length: slices }, (_, n) => new Option(String(n)));
			field.replaceChildren(...numbers, ...made.map(([key, words]) => new Option(words, key)));
		},
	};
}
