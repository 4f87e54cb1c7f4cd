// The controls above the panels: what is shown, and a control for each setting of the document.

import { make } from "./dom.js";
import { sliceControl } from "./slices.js";

/** @import { ControlText, Layer } from "./types" */
/** @import { State } from "./state.js" */

/**
 * One control, and the value that it should show.
 *
 * @typedef {object} Control
 * @property {HTMLElement} element - With its label.
 * @property {HTMLInputElement | HTMLSelectElement} field
 * @property {() => string | number} value
 * @property {(layer: Layer) => void} [update] - Sets what it offers for a layer.
 */

/**
 * Makes the controls.
 *
 * @param {State} state
 * @param {string} name - Begins the ids, as other explorers are on the page.
 */
export function makeControls(state, name) {
	const { contents } = state.store;
	const choices = [
		layerControl(state, name),
		sampleControl(state, name),
		sliceControl(state, name),
		callControl(state, name),
		inputControl(state, name),
	];
	/** @type {Map<string, Control>} */
	const settings = new Map();
	for (const row of contents.controls) settings.set(row.name, settingControl(state, name, row));
	const all = [...choices, ...settings.values()];
	return {
		/** Those of what is shown, in order. */
		choices: choices.map(({ element }) => element),
		/** The control of a setting. */
		setting: (/** @type {string} */ key) => /** @type {Control} */ (settings.get(key)).element,
		/** Those of the settings, in order, but for one that stands elsewhere. */
		settingsBut: (/** @type {string} */ key) =>
			[...settings].filter(([one]) => one !== key).map(([, { element }]) => element),
		/** Tells the controls that the layers have changed. */
		fill() {
			const options = state.layers.map(({ key }) => new Option(key));
			choices[0].field.replaceChildren(...options);
		},
		draw() {
			for (const control of all) {
				control.update?.(state.layer);
				const { field } = control;
				// Not what is being typed.
				if (field !== field.ownerDocument.activeElement || field.type !== "number") {
					field.value = String(control.value());
				}
			}
		},
	};
}

/**
 * @param {string} id
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement} field
 */
function labeled(id, label, field) {
	field.id = id;
	return make("div.fm-control", {}, make("label", { for: id }, label), field);
}

/**
 * @param {string[]} offered
 * @param {(value: string) => void} change
 */
function makeSelect(offered, change) {
	const onchange = () => change(field.value);
	const options = offered.map((one) => new Option(one));
	const field = /** @type {HTMLSelectElement} */ (make("select", { onchange }, ...options));
	return field;
}

/**
 * Makes a field for numbers; what is beyond its limits, or isn't finished, changes nothing.
 *
 * @param {[number, number, number]} limits - The lowest, the highest, and the step.
 * @param {(value: number) => void} change
 * @param {{placeholder?: string, type?: string, isEmptyTaken?: boolean}} [how] - Whether no number
 *   counts as 0.
 */
function makeNumber([low, high, step], change, how = {}) {
	const { placeholder = "", type = "number", isEmptyTaken = true } = how;
	const oninput = () => {
		const number = Number(field.value);
		if (number < low || (!field.value && !isEmptyTaken)) return;
		change(Math.min(step === 1 ? Math.round(number) : number, Number(field.max)));
	};
	const limits = { min: low, max: high, step };
	const field = /** @type {HTMLInputElement} */ (
		make("input", { ...limits, placeholder, type, oninput })
	);
	return field;
}

/**
 * @param {State} state
 * @param {string} name
 * @returns {Control}
 */
function layerControl(state, name) {
	const field = makeSelect([], (key) => state.go(key));
	const element = labeled(`${name}Layer`, "Layer", field);
	return { element, field, value: () => state.layer.key };
}

/**
 * @param {State} state
 * @param {string} name
 * @returns {Control}
 */
function sampleControl(state, name) {
	const change = (/** @type {number} */ sample) => state.choose({ sample });
	const field = makeNumber([0, 0, 1], change, { isEmptyTaken: false });
	return {
		element: labeled(`${name}Sample`, "Sample", field),
		field,
		value: () => state.sampleOf(state.layer),
		update({ samples }) {
			field.max = String(Math.max(0, samples - 1));
			field.disabled = !(samples > 1);
		},
	};
}

/**
 * @param {State} state
 * @param {string} name
 * @returns {Control}
 */
function callControl(state, name) {
	const field = makeSelect([], (key) => state.go(key));
	return {
		element: labeled(`${name}Call`, "Call", field),
		field,
		value: () => state.layer.key,
		update({ path }) {
			const calls = state.layers.filter((layer) => layer.path === path);
			const words = calls.map(({ key, call }) => call + key.slice(path.length).replace(/:\d+/, ""));
			field.replaceChildren(...calls.map(({ key }, n) => new Option(words[n], key)));
			field.disabled = calls.length < 2;
		},
	};
}

/**
 * @param {State} state
 * @param {string} name
 * @returns {Control}
 */
function inputControl(state, name) {
	const { inputs } = state.store.contents;
	const field = makeNumber([0, inputs - 1, 1], (n) => state.pick(n), {
		placeholder: "as it was",
		isEmptyTaken: false,
	});
	const element = labeled(`${name}Input`, "Input", field);
	element.hidden = !inputs;
	return { element, field, value: () => state.input ?? "" };
}

/**
 * @param {State} state
 * @param {string} name
 * @param {ControlText} row
 * @returns {Control}
 */
function settingControl(state, name, row) {
	const set = (/** @type {string | number} */ value) => state.set({ [row.name]: value });
	const { placeholder } = row;
	const field = row.limits
		? makeNumber(row.limits, set, { placeholder, type: row.slider ? "range" : "number" })
		: makeSelect(row.choices, set);
	return {
		element: labeled(name + row.label, row.label, field),
		field,
		value: () => state.settings.peek()[row.name] || (placeholder ? "" : 0),
		update() {
			// An order by likeness isn't known of every layer.
			if (row.name !== "sort") return;
			const option = [...field.children].find((one) => one.textContent === "similar");
			if (option instanceof HTMLOptionElement) {
				option.disabled = !state.shown.peek()?.plate.order;
			}
		},
	};
}
