// Pins: up to four channels that stay beside the grid, with the value at the cursor's place in each,
// and exact figures where a kernel tells them.

import { colorsOf } from "./color.js";
import { readingOf } from "./cursor.js";
import { canvasIn, keepFocus, make, makePictureBox, style, write } from "./dom.js";
import { joined, rangeOf, same, short, within } from "./format.js";
import { isChosen } from "./inspector.js";
import { placeName } from "./names.js";
import { paint } from "./paint.js";
import { describe, endsOf } from "./plate.js";
import { plateKey, sliceName, whereOf } from "./slices.js";
import { valueIn } from "./status.js";

/** @import { Pin, PlaneBox, Plate, Position, Settings, Shown, ShownChannel } from "./types" */
/** @import { State } from "./state.js" */

/** @typedef {{element: HTMLElement, box: PlaneBox, words: HTMLElement, value: HTMLElement}} Made */

const MOST = 4;

/**
 * Makes the pins.
 *
 * @param {State} state
 * @param {HTMLElement[]} controls - Those that stand above the pins.
 */
export function makePins(state, controls) {
	/** @type {Map<Pin, Made>} */
	const made = new Map();
	/** What each was drawn with. @type {WeakMap<PlaneBox, string>} */
	const drawn = new WeakMap();
	const list = make("div.fm-pinned", { role: "list", label: "Pins" });
	const element = make("div.fm-pins", ...controls, list);

	/** Pins the chosen channel, or lets it go. */
	function toggle() {
		const before = state.pins.peek().find((one) => isChosen(state, one));
		if (before) unpin(before);
		else if (!state.chosen.peek()) return;
		else if (made.size < MOST) add();
		else state.note.value = `At most ${MOST} pins: unpin one first.`;
	}

	function add() {
		const { layer, channel } = state.choice.peek();
		const { sample, plate, layer: shown } = /** @type {Shown} */ (state.shown.peek());
		const { slice } = plate;
		/** @type {Pin} */
		const pin = { layer, channel, sample, slice, plate: null, exact: null };
		const of = shown.samples > 1 && `sample ${sample}`;
		const what = joined([layer, placeName(shown, plate, channel), of, sliceName(slice)]);
		const more = slice === null ? { sample } : { sample, slice };
		const box = makePictureBox("", what, () => state.go(layer, channel, more));
		const [words, value] = [
			make("span"),
			make("span.fm-value", { tip: state.store.contents.tips.cursor }),
		];
		const close = make("button", { onclick: () => unpin(pin), label: `unpin ${what}` });
		close.append(make("span", { "aria-hidden": true }, "×"));
		const title = joined([layer, String(channel), of, sliceName(slice)], " · ");
		const head = make("div", make("b", { tip: what }, title), close);
		const parts = {
			element: make(
				"div.featmagic-pin",
				{ role: "listitem", "data-channel": channel },
				head,
				box,
				value,
				words,
			),
			box,
			words,
			value,
		};
		made.set(pin, parts);
		list.append(parts.element);
		state.pins.value = [...state.pins.peek(), pin];
	}

	/** Asks for the exact figures of a pin. @param {Pin} pin */
	async function ask(pin) {
		const { plate, layer, channel, sample, slice } = pin;
		if (!state.kernel || !state.isAlive) return;
		const where = whereOf(layer, sample, slice);
		const { content } = await state.kernel.ask({ ask: "channel", ...where, channel });
		if (pin.plate !== plate || content.error) return; // another input has been shown since
		pin.exact = content;
		state.pins.value = [...state.pins.peek()];
	}

	/** @param {Pin} pin */
	function unpin(pin) {
		const { element: gone } = made.get(pin) ?? {};
		if (gone) keepFocus(gone);
		gone?.remove();
		made.delete(pin);
		state.pins.value = state.pins.peek().filter((one) => one !== pin);
	}

	/** What a pin shows, if it is here. @param {Pin} pin */
	function platesOf({ layer: key, channel, sample, slice }) {
		const layer = state.layerOf(key);
		const plate = layer?.plates[plateKey(sample, slice)];
		const i = plate ? plate.channels.indexOf(channel) : -1;
		return layer && plate && i >= 0 ? { layer, plate, sample, channel, i } : null;
	}

	function draw() {
		const pins = state.pins.peek();
		const settings = state.settings.peek();
		const ends = pins.flatMap((pin) => {
			const one = platesOf(pin);
			return one && one.plate.low[one.i] !== null ? endsOf(one.plate, one.i) : [];
		});
		/** @type {[number, number] | null} */
		const range = settings.shared && ends.length ? rangeOf(ends) : null;
		element.hidden = !pins.length;
		for (const pin of pins) {
			if (state.layerOf(pin.layer)) drawPin(pin, settings, range);
			else unpin(pin);
		}
		drawValues();
	}

	/**
	 * @param {Pin} pin
	 * @param {Settings} settings
	 * @param {[number, number] | null} range - The one of all pins, if they share it.
	 */
	async function drawPin(pin, settings, range) {
		const one = platesOf(pin);
		const { box, words } = /** @type {Made} */ (made.get(pin));
		box.hidden = !one;
		if (!one) {
			box.shows = null;
			write(words, "not available");
			return;
		}
		const { plate, i } = one;
		if (pin.plate !== plate) {
			pin.plate = plate;
			pin.exact = null;
			ask(pin);
		}
		write(words, wordsOf(pin, plate, i));
		const how = JSON.stringify([settings, range]);
		if (drawn.get(box) === how && box.shows?.plate === plate) return;
		drawn.set(box, how);
		const picture = await state.store.picture(plate.id);
		if (!picture || drawn.get(box) !== how || pin.plate !== plate) return;
		box.shows = { ...one, picture };
		style(box, { ratio: within(plate.width / plate.height, 0.4, 5) });
		const colors = colorsOf(state.store, box.shows, settings, range);
		paint(canvasIn(box), colors, box.shows, state.store);
		drawValues();
	}

	/** Writes the value at the cursor's place into each. */
	function drawValues() {
		const reading = readingOf(state);
		const at = reading?.position;
		for (const { box, value } of made.values()) {
			const here = box.shows;
			const isSame = here && reading && isComparable(here, reading);
			value.hidden = !at || !isSame;
			box.classList.toggle("fm-apart", !isSame);
			if (!reading || !at || !isSame) continue;
			const position = /** @type {Position} */ (
				at.map((n, axis) => Math.floor((n / reading.plate.full[axis]) * here.plate.full[axis]))
			);
			write(value, valueIn({ ...here, position }, state.store.coding));
		}
	}

	return { element, toggle, draw, drawValues };
}

/**
 * Whether a place in one picture is a place in the other, too.
 *
 * @param {ShownChannel} a
 * @param {ShownChannel} b
 */
const isComparable = (a, b) =>
	(a.layer.spatial && b.layer.spatial) || same(a.plate.full, b.plate.full);

/**
 * @param {Pin} pin
 * @param {Plate} plate
 * @param {number} i
 */
function wordsOf({ exact }, plate, i) {
	const range = exact ? `${short(exact.low, 7)} to ${short(exact.high, 7)}` : undefined;
	const { mean, std } = exact ?? { mean: plate.mean[i], std: plate.std[i] };
	return `${describe(plate, i, range)}, mean ${short(mean, 7)}, std ${short(std, 7)}`;
}
