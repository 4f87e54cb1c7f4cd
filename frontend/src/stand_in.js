// In JupyterLab and Notebook, whose outputs hold the picture alone, so that a saved notebook never
// has an empty box in it: a widget view whose kernel is gone is drawn before any picture beside it.
// While the widget lives, the explorer stands in the picture's place, wherever that is shown.

/** @import { AnyModel } from "@anywidget/types" */

/**
 * Puts views in the place of the pictures of a widget's explorer, those that come later too.
 *
 * @param {AnyModel<any>} model
 * @param {(element: HTMLElement) => (() => void) | undefined} render - Builds a view.
 * @returns {() => void} Shows the pictures again.
 */
export function standIn(model, render) {
	const selector = `img[src$="${model.get("_picture")}"]`;
	/** @type {Map<HTMLImageElement, () => void>} */
	const places = new Map();

	/** @param {HTMLImageElement} image */
	function take(image) {
		if (places.has(image) || !model.get("_contents").layers) return;
		const box = document.createElement("div");
		image.before(box);
		try {
			const end = render(box);
			image.hidden = true;
			image.style.setProperty("display", "none", "important");
			places.set(image, () => {
				end?.();
				box.remove();
				image.hidden = false;
				image.style.removeProperty("display");
			});
		} catch (error) {
			box.remove(); // the picture stays
			console.error(error);
		}
	}

	/** @param {Node} node */
	function look(node) {
		if (!(node instanceof Element)) return;
		if (node.matches(selector)) take(/** @type {HTMLImageElement} */ (node));
		for (const image of node.querySelectorAll(selector)) {
			take(/** @type {HTMLImageElement} */ (image));
		}
	}

	// A cell that is scrolled out of sight leaves the page whole; an output that is cleared, alone.
	function forget() {
		for (const [image, end] of places) {
			if (image.isConnected || image.closest(".jp-OutputArea")) continue;
			places.delete(image);
			end();
		}
	}

	const watcher = new MutationObserver((records) => {
		for (const { addedNodes } of records) addedNodes.forEach(look);
		if (records.some(({ removedNodes }) => removedNodes.length)) forget();
	});
	const lookAround = () => look(document.documentElement);
	function stop() {
		watcher.disconnect();
		for (const end of places.values()) end();
		places.clear();
	}
	if (model.get("_picture") && model.get("_alive")) {
		watcher.observe(document, { childList: true, subtree: true });
		model.on("change:_contents", lookAround);
		model.on("change:_alive", stop); // it was closed
		lookAround();
	}
	return stop;
}
