// One view: the panels put together, drawn when what they show changes.

import { computed, effect } from "@preact/signals-core";
import { makeAttention } from "./attention.js";
import { makeChannelGrid } from "./channel_grid.js";
import { codeOf, copyText } from "./clipboard.js";
import { makeControls } from "./controls.js";
import { makeCursor, placeIn } from "./cursor.js";
import { makeDivider } from "./divider.js";
import { keepFocus, make, makeButton, pairs } from "./dom.js";
import { makeFinds } from "./finds.js";
import { within } from "./format.js";
import { makeInspector } from "./inspector.js";
import { actionOf, keysOf } from "./keymap.js";
import { makeLayerTree } from "./layer_tree.js";
import { makePatch } from "./patch.js";
import { makePins } from "./pins.js";
import { State } from "./state.js";
import { makeStatus } from "./status.js";
import { Store } from "./store.js";
import { makeTooltip } from "./tooltip.js";

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
	const { tips } = store.contents;
	const keys = keysOf(store.contents);
	const controls = makeControls(state, name);
	const finds = makeFinds(state);
	const layers = makeLayerTree(state, name);
	const cursor = makeCursor(state);
	const pins = makePins(state, controls.at("pins"));
	const status = makeStatus(state);
	const tooltip = makeTooltip(`${name}-tip`);
	const patch = makePatch(state, name);
	const frames = framesOf(draw, drawMark);
	const divider = makeDivider({ tip: tips.divider, toggleFull, redraw: frames.redraw });
	const grid = makeChannelGrid(state, name, { placeIn, redraw: frames.redraw, toggleFull });
	const panels = [makeAttention(state)];
	const inspector = makeInspector(state, {
		placeIn,
		pin: pins.toggle,
		copy,
		drawMark: frames.mark,
		toggleFull,
		controls: controls.at("input"),
		patch: patch.button,
		panels: panels.map(({ element }) => element),
	});
	const help = /** @type {HTMLDialogElement} */ (
		make(
			"dialog.fm-keys",
			{ label: "Keys" },
			make("dl", ...pairs(keys.help)),
			makeButton("close", toggleHelp),
		)
	);
	const helper = make("button.fm-help", { onclick: toggleHelp, tip: tips.keys }, "Keys");
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
			onpointerover: tooltip.point,
			onpointerout: tooltip.point,
		},
		make("div.fm-controls", ...controls.at("bar"), helper),
		make(
			"div.fm-main",
			make("div.fm-left", finds.element, layers.element),
			make(
				"div.fm-middle",
				grid.head,
				make("div.fm-stage", ...grid.body, pins.element),
				patch.element,
			),
			divider.element,
			inspector.element,
		),
		status.element,
		help,
		tooltip.element,
	);
	root.addEventListener("focusin", (event) => {
		// JupyterLab looks for the mark from the focused element on, which its selectors may match first.
		/** @type {HTMLElement} */ (event.target).dataset.lmSuppressShortcuts = "true";
		tooltip.focus(event);
	});
	root.addEventListener("focusout", tooltip.focus);
	const resizing = new ResizeObserver(frames.redraw);

	function draw() {
		if (!root.clientWidth) {
			// It is hidden: to be told when it is seen.
			resizing.disconnect();
			resizing.observe(root);
			return;
		}
		controls.draw();
		pins.draw();
		if (!state.isFull) grid.draw();
		inspector.draw();
		divider.draw();
		layers.film.ariaBusy = String(state.asking.peek() === "layer");
		drawMark();
	}

	function drawMark() {
		cursor.draw(root, inspector.drawField);
		pins.drawValues();
		status.draw();
		for (const panel of panels) panel.draw();
	}

	/** @param {Layer[] | undefined} changed - As a `Listener` of the store is told. */
	function refresh(changed) {
		if (store.isBusy) state.asking.value = "input";
		else state.endInput();
		if (!changed) {
			state.others.value++;
			return;
		}
		state.exact.value = { name: "", value: 0 };
		if (changed.length) {
			finds.fill();
			layers.fill();
		}
		layers.redrawThumbs();
		state.load();
	}

	function toggleFull() {
		keepFocus(grid.grid); // which is hidden then
		state.isFull = !state.isFull;
		state.reveals ||= !state.isFull;
		root.classList.toggle("fm-full", state.isFull);
		frames.redraw();
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
		const { key, shiftKey: shift } = event;
		const target = /** @type {Element} */ (event.target);
		const action = actionOf({ key, shift, on: kindOf(target) }, keys.actions);
		if (help.open && action?.action !== "escape" && key !== "?") return;
		if (key !== "Escape") tooltip.hide(); // Escape does that, and nothing else then
		if (action && act(action, target)) event.preventDefault();
	}

	/**
	 * @param {Element} target
	 * @returns {Pressed["on"]}
	 */
	function kindOf(target) {
		if (target === layers.finder) return "finder";
		if (target === layers.film) return "layers";
		if (target === divider.element) return "divider";
		if (/INPUT|SELECT/.test(target.tagName)) return "field";
		return target.tagName === "BUTTON" ? "button" : "";
	}

	/**
	 * Does what a key is for; returns false if there is nothing to do it with.
	 *
	 * @param {Action} action
	 * @param {Element} target - What has the focus.
	 */
	function act({ action, by = 0, step = [0, 0], key = "" }, target) {
		const { tiling } = state;
		if (action === "layer") layers.step(by);
		else if (action === "zoom") {
			if (tiling) state.set({ zoom: within(Math.round(tiling.zoom) + by, 1, 64) });
		} else if (action === "seek") layers.finder.select();
		else if (action === "pin") pins.toggle();
		else if (action === "copy") copy();
		else if (action === "patch") patch.toggle();
		else if (action === "help") toggleHelp();
		else if (action === "explain") tooltip.explain(target);
		else if (action === "full") toggleFull();
		else if (action === "escape") letGo();
		else if (action === "found") {
			layers.goToFirst();
			layers.film.focus();
		} else if (action === "tree") layers.move(step);
		else if (action === "fold") layers.press();
		else if (action === "divide") divider.step(by);
		else if (action === "row") return controls.press(key) || finds.press(key);
		else if (action === "sample") stepSample(by);
		else if (action === "place") movePlace(step);
		else grid.move(step[1] + step[0] * (tiling?.columns ?? 1));
		return true;
	}

	/** @param {number} by */
	function stepSample(by) {
		const { samples } = state.layer;
		const sample = (state.sampleOf(state.layer) + by + samples) % samples;
		if (samples > 1) state.choose({ sample });
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
		const { finder, film } = layers;
		if (tooltip.hide()) return;
		if (help.open) toggleHelp();
		else if (state.isFull) toggleFull();
		else if (finder.value || document.activeElement === finder) {
			layers.reset();
			film.focus();
		} else if (patch.isOpen() && !state.choice.peek().position) patch.toggle();
		else state.choose({ position: null });
	}

	async function copy() {
		const { layer } = state;
		const plate = layer.plates[state.keyOf(layer)];
		const code = codeOf(store.contents, layer, plate, state.choice.peek().channel);
		const isDone = await copyText(code, root);
		state.note.value = `${isDone ? "copied" : "couldn't copy to the clipboard:"} ${code}`;
	}

	element.append(root);
	store.listeners.add(refresh);
	const unfollow = kernel?.on?.(follow);
	resizing.observe(root);
	resizing.observe(grid.grid);
	finds.fill();
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
			state.asking.value;
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
		tooltip.hide();
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
