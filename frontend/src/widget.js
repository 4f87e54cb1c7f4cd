// The widget, as anywidget runs it.

import { explore } from "./explorer.js";
import { kernelOf } from "./kernel.js";
import { standIn } from "./stand_in.js";
import { Store } from "./store.js";

/** @import { AnyModel } from "@anywidget/types" */

// By the contents: anywidget hands each view of a widget another model.
/** @type {WeakMap<object, Store>} */
const stores = new WeakMap();

/** @param {AnyModel<any>} model */
function storeOf(model) {
	const contents = model.get("_contents");
	let store = stores.get(contents);
	if (!store) {
		store = new Store(contents, model.get("_bytes"));
		stores.set(contents, store);
	}
	return store;
}

/**
 * @param {AnyModel<any>} model
 * @param {HTMLElement} element
 */
function render(model, element) {
	if (!model.get("_contents")?.layers) return undefined;
	const store = storeOf(model);
	const kernel = kernelOf(model);
	const stop = explore(element, store, kernel);
	// After the kernel has sent other contents, later views find the same store by them.
	const remember = () => {
		const contents = model.get("_contents");
		if (contents?.layers) stores.set(contents, store);
	};
	model.on("change:_contents", remember);
	return () => {
		model.off("change:_contents", remember);
		stop();
	};
}

/** @param {{model: AnyModel<any>}} context */
function initialize({ model }) {
	model.on("msg:custom", (content, buffers) => {
		storeOf(model).hear(content, /** @type {DataView[]} */ (buffers));
		// What comes later is part of the state that a notebook may be saved with. Not by set(), which
		// would send it all back to the kernel.
		if (content.changed?.length === 0) {
			const bytes = model.get("_bytes");
			content.ids.forEach((/** @type {string} */ id, /** @type {number} */ i) => {
				bytes[id] = buffers[i];
			});
		}
	});
	model.send({ ask: "here" });
	return standIn(model, (element) => render(model, element));
}

/** The widget. */
export const widget = {
	initialize,
	render: (/** @type {{model: AnyModel<any>, el: HTMLElement}} */ { model, el }) =>
		render(model, el),
};
