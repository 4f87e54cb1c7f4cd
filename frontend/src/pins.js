// Pins: channels that stay in sight, with exact figures where a kernel tells them.

import { colorsOf } from "./color.js";
import { canvasIn, make, makeButton, makePictureBox, style, write } from "./dom.js";
import { joined, short, within } from "./format.js";
import { isChosen } from "./inspector.js";
import { paint } from "./paint.js";
import { describe } from "./plate.js";
import { plateKey, sliceName, whereOf } from "./slices.js";

/** @import { Colors, Pin, PlaneBox, Plate, Shown } from "./types" */
/** @import { State } from "./state.js" */

/**
 * Makes the row of pins.
 *
 * @param {State} state
 */
export function makePins(state) {
	/** @type {Map<Pin, {element: HTMLElement, box: PlaneBox, words: HTMLElement}>} */
	const made = new Map();
	/** What each was drawn with. @type {WeakMap<PlaneBox, Colors | null>} */
	const drawn = new WeakMap();
	const element = make("div.fm-pins");

	/** Pins the chosen channel, or lets it go. */
	function toggle() {
		const before = state.pins.peek().find((one) => isChosen(state, one));
		if (before) unpin(before);
		else if (state.chosen.peek()) add();
	}

	function add() {
		const { layer, channel } = state.choice.peek();
		const { sample, plate } = /** @type {Shown} */ (state.shown.peek());
		const { slice } = plate;
		/** @type {Pin} */
		const pin = { layer, channel, sample, slice, exact: null };
		const what = joined([layer, `channel ${channel}`, sliceName(slice)]);
		const box = makePictureBox("", what, () => state.go(layer, channel));
		const words = make("span");
		const close = makeButton("×", () => unpin(pin), `unpin ${what}`);
		const head = make(
			"div",
			{},
			make("b", {}, joined([layer, `${channel}`, sliceName(slice)], " · ")),
			close,
		);
		const parts = {
			element: make("div.featmagic-pin", { "data-channel": channel }, head, box, words),
			box,
			words,
		};
		made.set(pin, parts);
		element.append(parts.element);
		state.pins.value = [...state.pins.peek(), pin];
		if (state.kernel && state.isAlive) {
			const where = whereOf(layer, sample, slice);
			state.kernel.ask({ ask: "channel", ...where, channel }).then(({ content }) => {
				pin.exact = content.error ? null : content;
				state.pins.value = [...state.pins.peek()];
			});
		}
	}

	/** @param {Pin} pin */
	function unpin(pin) {
		made.get(pin)?.element.remove();
		made.delete(pin);
		state.pins.value = state.pins.peek().filter((one) => one !== pin);
	}

	async function draw() {
		for (const pin of state.pins.peek()) {
			const layer = state.layerOf(pin.layer);
			const plate = layer?.plates[plateKey(pin.sample, pin.slice)];
			const i = plate ? plate.channels.indexOf(pin.channel) : -1;
			const parts = made.get(pin);
			if (!layer || !plate || !parts || i < 0) continue;
			const { box, words } = parts;
			write(words, wordsOf(pin, plate, i));
			const colors = state.colors.peek();
			if (drawn.get(box) === colors) continue;
			drawn.set(box, colors);
			const picture = await state.store.picture(plate.id);
			if (!picture) return;
			const { channel, sample } = pin;
			box.shows = { layer, plate, picture, sample, channel, i };
			style(box, { ratio: within(plate.width / plate.height, 0.4, 5) });
			const own = colorsOf(state.store, box.shows, state.settings.peek());
			paint(canvasIn(box), own, box.shows, state.store);
		}
	}

	return { element, toggle, draw };
}

/**
 * @param {Pin} pin
 * @param {Plate} plate
 * @param {number} i
 */
function wordsOf({ exact }, plate, i) {
	const range = exact ? `${short(exact.low, 7)} to ${short(exact.high, 7)}` : describe(plate, i);
	const { mean, std } = exact ?? { mean: plate.mean[i], std: plate.std[i] };
	return `${range}, mean ${short(mean, 7)}, std ${short(std, 7)}`;
}
