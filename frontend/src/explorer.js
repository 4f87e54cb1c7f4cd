// One view: the panels put together, drawn when what they show changes.

import { computed, effect } from "@preact/signals-core";
import { makeChannelGrid } from "./channel_grid.js";
import { codeOf, copyText } from "./clipboard.js";
import { makeControls } from "./controls.js";
import { makeCursor, placeIn } from "./cursor.js";
import { make, makeButton, pairs } from "./dom.js";
import { within } from "./format.js";
import { makeInspector } from "./inspector.js";
import { actionOf, HELP } from "./keymap.js";
import { makeLayerList } from "./layer_list.js";
import { makePatch } from "./patch.js";
import { makePins } from "./pins.js";
import { State } from "./state.js";
import { makeStatus } from "./status.js";
import { Store } from "./store.js";

/** @import { Contents, Kernel, Layer } from "./types" */
/** @import { Action, Pressed } from "./keymap.js" */

/**
 * Builds an explorer of a document inside an element.
 *
 * @param {HTMLElement} element
 * @param {Contents} contents
 * @param {Map<string, Uint8Array>} bytes - The pictures, by the ids in the contents.
 * @param {Kernel | null} [kernel]
 * @returns {() => void} Takes it down.
 */
export const mount = (element, contents, bytes, kernel = null) =>
	explore(element, new Store(contents, bytes), kernel);

/**
 * Builds a view of a store inside an element.
 *
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {Kernel | null} kernel
 * @returns {() => void} Takes it down.
 */
export function explore(element, store, kernel) {
	const name = `fm${Math.random()}`; // other explorers are on the page
	const state = new State(store, kernel);
	const controls = makeControls(state, name);
	const layers = makeLayerList(state, name);
	const cursor = makeCursor(state);
	const pins = makePins(state);
	const status = makeStatus(state);
	const patch = makePatch(state, name);
	const frames = framesOf(draw, drawMark);
	const grid = makeChannelGrid(state, name, { placeIn, redraw: frames.redraw });
	const inspector = makeInspector(state, {
		placeIn,
		pin: pins.toggle,
		copy,
		drawMark: frames.mark,
		patch: patch.button,
		opacity: controls.setting("alpha"),
	});
	const help = /** @type {HTMLDialogElement} */ (
		make(
			"dialog.fm-keys",
			{ label: "Keys" },
			make("dl", {}, ...pairs(HELP)),
			makeButton("close", toggleHelp),
		)
	);
	const root = make(
		"section.featmagic-explorer",
		{
			label: "Explorer of feature maps",
			tabindex: -1,
			"data-lm-suppress-shortcuts": true,
			onkeydown: press,
			onkeyup: (/** @type {Event} */ event) => event.stopPropagation(),
			onpointermove: cursor.point,
			onpointerleave: cursor.point,
		},
		make(
			"div.fm-controls",
			{},
			...controls.choices,
			...controls.settingsBut("alpha"),
			makeButton("?", toggleHelp, "Keys"),
		),
		make("div.fm-main", {}, layers.element, grid.element, inspector.element),
		pins.element,
		status.element,
		help,
	);
	grid.element.append(patch.element);
	// JupyterLab looks for the mark from the focused element on, which its selectors may match first.
	root.addEventListener("focusin", ({ target }) => {
		/** @type {HTMLElement} */ (target).dataset.lmSuppressShortcuts = "true";
	});
	const resizing = new ResizeObserver(frames.redraw);

	function draw() {
		if (!grid.grid.clientWidth) {
			// It is hidden: to be told when it is seen.
			resizing.disconnect();
			resizing.observe(grid.grid);
			return;
		}
		controls.draw();
		grid.draw();
		inspector.draw();
		pins.draw();
		drawMark();
	}

	function drawMark() {
		cursor.draw(root, inspector.drawField);
		status.draw();
	}

	/** @param {Layer[] | undefined} changed - As a `Listener` of the store is told. */
	function refresh(changed) {
		if (!changed) {
			state.others.value++;
			return;
		}
		state.exact.value = { name: "", value: 0 };
		if (changed.length) {
			controls.fill();
			layers.fill();
		}
		layers.redrawThumbs();
		state.load();
	}

	/** @param {string} trait */
	function follow(trait) {
		const contents = kernel?.get("_contents");
		if ((trait === "_contents" || trait === "_bytes") && contents?.layers) {
			store.fill(contents, kernel?.get("_bytes"));
			store.tell(contents.layers);
		} else {
			state.follow(trait);
		}
	}

	/** @param {KeyboardEvent} event */
	function press(event) {
		event.stopPropagation(); // a notebook has keys too
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const { key, shiftKey: shift, target } = event;
		const action = actionOf({ key, shift, on: kindOf(/** @type {Element} */ (target)) });
		if (action && act(action)) event.preventDefault();
	}

	/**
	 * @param {Element} target
	 * @returns {Pressed["on"]}
	 */
	function kindOf(target) {
		if (target === layers.finder) return "finder";
		if (target === layers.film) return "layers";
		if (/INPUT|SELECT/.test(target.tagName)) return "field";
		return target.tagName === "BUTTON" ? "button" : "";
	}

	/**
	 * Does what a key is for; returns false if there is nothing to do it with.
	 *
	 * @param {Action} action
	 */
	function act({ action, by = 0, step = [0, 0] }) {
		const { tiling } = state;
		if (action === "layer") layers.step(by);
		else if (action === "zoom") {
			if (tiling) state.set({ zoom: within(Math.round(tiling.zoom) + by, 1, 64) });
		} else if (action === "find") layers.finder.select();
		else if (action === "pin") pins.toggle();
		else if (action === "copy") copy();
		else if (action === "patch") patch.toggle();
		else if (action === "help") toggleHelp();
		else if (action === "escape") letGo();
		else if (action === "found") {
			layers.goToFirst();
			layers.film.focus();
		} else if (action === "place") movePlace(step);
		else grid.move(step[1] + step[0] * (tiling?.columns ?? 1));
		return true;
	}

	/** @param {[number, number]} step */
	function movePlace(step) {
		const chosen = state.chosen.peek();
		if (!chosen) return;
		const { full, shrink } = chosen.plate;
		const middle = full.map((side) => side >> 1);
		const at = state.choice.peek().position ?? middle;
		const [y, x] = [0, 1].map((axis) => within(at[axis] + step[axis] * shrink, 0, full[axis] - 1));
		state.choose({ position: [y, x] }, true);
	}

	function toggleHelp() {
		if (help.open) help.close();
		else help.showModal();
	}

	function letGo() {
		if (help.open) toggleHelp();
		else if (layers.finder.value) layers.film.focus();
		else state.choose({ position: null });
		layers.reset();
	}

	async function copy() {
		const { layer } = state;
		const plate = layer.plates[state.sampleOf(layer)];
		const code = codeOf(store.contents, layer, plate, state.choice.peek().channel);
		await copyText(code, root);
		state.note.value = `copied ${code}`;
	}

	element.append(root);
	store.listeners.add(refresh);
	const unfollow = kernel?.on?.(follow);
	resizing.observe(grid.grid);
	controls.fill();
	layers.fill();
	refresh([]);
	const layer = computed(() => state.choice.value.layer);
	const stops = [
		effect(() => {
			layer.value;
			layers.mark();
		}),
		effect(() => {
			state.choice.value;
			state.settings.value;
			state.shown.value;
			state.missing.value;
			state.pins.value;
			state.note.value;
			state.others.value;
			frames.redraw();
		}),
		effect(() => {
			state.hover.value;
			state.exact.value;
			frames.mark();
		}),
	];

	return () => {
		state.stop();
		store.listeners.delete(refresh);
		unfollow?.();
		for (const stop of stops) stop();
		frames.stop();
		resizing.disconnect();
		layers.stop();
		cursor.stop();
		inspector.stop();
		patch.stop();
		root.remove();
	};
}

/**
 * Draws at most once a frame, however often it is asked for.
 *
 * @param {() => void} draw - Draws all.
 * @param {() => void} drawMark - Draws what follows the pointer.
 */
function framesOf(draw, drawMark) {
	/** @type {Map<() => void, number>} */
	const waiting = new Map();
	const next = (/** @type {() => void} */ work) => {
		if (waiting.has(work)) return;
		const frame = requestAnimationFrame(() => {
			waiting.delete(work);
			work();
		});
		waiting.set(work, frame);
	};
	return {
		redraw: () => next(draw),
		mark: () => next(drawMark),
		stop() {
			for (const frame of waiting.values()) cancelAnimationFrame(frame);
		},
	};
}
