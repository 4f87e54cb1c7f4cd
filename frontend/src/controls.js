// Controls: one for each row of the document, of the kind that the row says, where it applies.

import { isMet } from "./conditions.js";
import { make } from "./dom.js";
import { sliceOf, slicesOf } from "./slices.js";

/** @import { ControlText } from "./types" */
/** @import { State } from "./state.js" */

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

/**
 * What a selector shows and does, apart from its row.
 *
 * @typedef {object} Selector
 * @property {() => string | number} value
 * @property {(value: any) => void} set
 * @property {() => number} [last] - The highest number that there is.
 * @property {() => [string, string][]} [options] - Text and value of each choice.
 */

/**
 * Makes the controls.
 *
 * @param {State} state
 * @param {string} name - Begins the ids, as other explorers are on the page.
 */
export function makeControls(state, name) {
	const { selectors, controls } = state.store.contents;
	const all = [
		...selectors.map((row) => makeControl(state, name, row, selectorOf(state, row.name))),
		...controls.map((row) => makeControl(state, name, row, settingOf(state, row))),
	];
	return {
		/** @param {ControlText["place"]} place */
		at: (place) => all.filter(({ row }) => row.place === place).map(({ element }) => element),
		draw() {
			for (const control of all) control.draw();
		},
		/**
		 * Goes on to the next value of the control that has a key, or to its field.
		 *
		 * @param {string} key
		 */
		press(key) {
			const control = all.find(({ row, element }) => row.key === key && !element.hidden);
			control?.next();
			return Boolean(control);
		},
	};
}

/**
 * @param {State} state
 * @param {string} name
 * @returns {Selector}
 */
function selectorOf(state, name) {
	const { contents } = state.store;
	/** @type {Record<string, Selector>} */
	const selectors = {
		sample: {
			value: () => state.sampleOf(state.layer),
			set: (sample) => state.choose({ sample }),
			last: () => Math.max(0, state.layer.samples - 1),
		},
		slice: {
			value: () => sliceOf(state.layer, state.choice.peek()) ?? "",
			set: (slice) => state.choose({ slice: slice in { mean: 1, mip: 1 } ? slice : Number(slice) }),
			options: () => slicesOf(state.layer),
		},
		call: {
			value: () => state.layer.key,
			set: (key) => state.go(key),
			options: () =>
				state.callsOfLayer.map(({ key, path, call }) => [
					call + key.slice(path.length).replace(/:\d+/, ""),
					key,
				]),
		},
		input: {
			value: () => state.input ?? "",
			set: (input) => state.pick(input),
			last: () => contents.inputs - 1,
		},
	};
	return selectors[name];
}

/**
 * @param {State} state
 * @param {ControlText} row
 * @returns {Selector}
 */
function settingOf(state, { name, choices, needs }) {
	return {
		value: () => /** @type {any} */ (state.settings.peek())[name],
		set: (value) => state.set({ [name]: value }),
		options: () => choices.filter((one) => isMet(state, needs[one])).map((one) => [one, one]),
	};
}

/**
 * @param {State} state
 * @param {string} id - Begins the id of the field.
 * @param {ControlText} row
 * @param {Selector} how
 */
function makeControl(state, id, row, how) {
	const { name, kind, label, tooltip, limits, placeholder, applies } = row;
	const isChoice = kind === "choice";
	const isNumber = kind === "number";
	const [low, high, step] = limits ?? [0, 0, 1];
	const last = () => how.last?.() ?? high;
	const field = /** @type {Field} */ (
		make(isChoice ? "select" : "input", {
			id: `${id}-${name}`,
			tip: tooltip,
			...(isChoice
				? {}
				: { type: { number: "number", slider: "range", toggle: "checkbox" }[kind] }),
			...(limits && { min: low, max: high, step }),
			...(placeholder && { placeholder }),
			[isChoice || kind === "toggle" ? "onchange" : "oninput"]: change,
			...(isNumber && { onchange: settle, onblur: draw }),
		})
	);
	const element = make(`div.fm-control.fm-${kind}`, make("label", { for: field.id }, label), field);
	let listed = "";

	function change() {
		if (isChoice) how.set(field.value);
		else if (field instanceof HTMLInputElement && kind === "toggle") how.set(field.checked);
		else takeNumber(false);
	}

	// What was typed is finished: a number that began as none is refused now.
	function settle() {
		takeNumber(true);
	}

	/** @param {boolean} isDone */
	function takeNumber(isDone) {
		const number = Number(field.value);
		const isTooHigh = number > last();
		const isRefused = isTooHigh || (number < low && isDone);
		field.ariaInvalid = String(isRefused);
		const isEmpty = !field.value;
		if (isRefused) {
			state.note.value = `${label} ${number} is out of range: choose ${low} to ${last()}.`;
		} else if (isEmpty && how.last) {
			if (isDone && placeholder) how.set(null);
		} else if (number >= low && (!isEmpty || placeholder)) {
			how.set(step === 1 ? Math.round(number) : number);
		}
	}

	function draw() {
		element.hidden = !isMet(state, applies);
		element.ariaBusy = String(state.asking.peek() === name);
		if (element.hidden) return;
		const value = how.value();
		if (isChoice) {
			const options = /** @type {[string, string][]} */ (how.options?.());
			const now = options.join();
			if (now !== listed) field.replaceChildren(...options.map(([a, b]) => new Option(a, b)));
			listed = now;
		}
		if (how.last) /** @type {HTMLInputElement} */ (field).max = String(last());
		// Not what is being typed.
		if (isNumber && field === field.ownerDocument.activeElement) return;
		field.ariaInvalid = "false";
		if (kind === "toggle") /** @type {HTMLInputElement} */ (field).checked = Boolean(value);
		else field.value = String(value || (placeholder && !how.last ? "" : value));
	}

	function next() {
		if (isChoice) {
			const values = [...field.children].map((one) => /** @type {HTMLOptionElement} */ (one).value);
			how.set(values[(values.indexOf(field.value) + 1) % values.length]);
		} else if (kind === "toggle") how.set(!how.value());
		else field.focus();
	}

	return { row, element, draw, next };
}
