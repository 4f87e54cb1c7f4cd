// The line below: the value under the cursor, and how what is shown is drawn.

import { nameOf, readingOf } from "./cursor.js";
import { make, write } from "./dom.js";
import { joined, short } from "./format.js";
import { isWhole, placeName } from "./names.js";
import { describe, indexOf, valueOfLevel } from "./plate.js";

/** @import { Coding, Reading } from "./types" */
/** @import { State } from "./state.js" */

/**
 * Makes the line.
 *
 * @param {State} state
 */
export function makeStatus(state) {
	const value = make("span.fm-value");
	const says = make("span.fm-says");
	const element = make("div.fm-status", { role: "status" }, value, says);
	return {
		element,
		draw() {
			// No screen reader is told of each step of the pointer.
			element.ariaLive = state.hover.peek() ? "off" : "polite";
			const reading = readingOf(state);
			let read = state.missing.peek();
			if (reading?.position) read = valueAt(reading, state);
			else if (reading) {
				const { layer, channel, plate, i } = reading;
				read = `${layer.key}, ${placeName(layer, plate, channel)}: ${describe(plate, i)}`;
			}
			write(value, read);
			write(says, drawnAs(state, reading !== null));
		},
	};
}

/**
 * @param {State} state
 * @param {boolean} hasReading - Whether something else is said of what is missing.
 */
function drawnAs(state, hasReading) {
	const { words = [] } = state.store.contents;
	const missing = hasReading && state.missing.peek();
	const before = [state.note.peek(), state.store.news, missing];
	return joined([...before, ...howShown(state), ...words], " · ");
}

/** @param {State} state */
function howShown(state) {
	const [shown, colors] = [state.shown.peek(), state.colors.peek()];
	if (!shown || !colors) return [];
	const { robust, gamma, zoom, alpha } = state.settings.peek();
	const { by, places } = state.order.peek();
	const { samples, call, calls, of, noun, spatial } = shown.layer;
	const all = shown.plate.channels.length;
	const here = all < of ? `${all} of ${of}` : `all ${all}`;
	const count = places.length < all ? `first ${places.length} of ${of}` : here;
	const { inputs, input } = state.store.contents;
	const range = colors.ranges[0].map((end) => short(end, 3)).join(" to ");
	return [
		`sample ${shown.sample} of ${samples}`,
		shown.plate.slice_words,
		calls > 1 && `call ${call} of ${calls}`,
		inputs > 0 && `input ${input ?? "as captured"}`,
		colors.name + (colors.centered ? " centered on 0" : ""),
		colors.own ? "color range per channel" : `shared color range: ${range}`,
		robust ? `${robust} % clipped at each end` : "no clipping",
		`gamma ${gamma}`,
		!isWhole(shown.layer) && `by ${by}, ${count} ${noun}`,
		`zoom × ${short(state.tiling?.zoom, 2)}${zoom ? "" : " (auto)"}`,
		spatial && `opacity ${alpha}`,
	];
}

/**
 * The value at a place: the tensor's own if the kernel has told it, else as near as a level is.
 *
 * @param {Reading} reading
 * @param {State} state
 */
function valueAt(reading, state) {
	const { layer, plate, channel } = reading;
	const [row, column] = /** @type {[number, number]} */ (reading.position);
	const { name, value } = state.exact.peek();
	const isKnown = name === nameOf(reading);
	const where =
		plate.reach && (isKnown || plate.shrink === 1)
			? `${layer.key}[${indexOf(plate.reach, channel, [row, column]).join(", ")}]`
			: `${layer.key}, ${placeName(layer, plate, channel, [row, column])}`;
	if (isKnown) return `${where} = ${Number.isInteger(value) ? value : short(value, 7)}`;
	const about = valueIn(reading, state.store.coding, true);
	return where + (about ? ` = ${about}` : ": no value there");
}

/**
 * The value at a place as near as its level is; "" where there is none.
 *
 * @param {Reading} reading
 * @param {Coding} coding
 * @param {boolean} [says] - Whether to say what the error is.
 */
export function valueIn({ plate, picture, i, position }, coding, says = false) {
	const { levels, last, codes } = coding;
	const { shrink, width, height } = plate;
	const [y, x] = /** @type {[number, number]} */ (position).map((n) => Math.floor(n / shrink));
	const code = picture.pixels[(i * height + y) * width + x];
	if (code >= levels) {
		const named = { [codes.nan]: "NaN", [codes["+inf"]]: "inf", [codes["-inf"]]: "-inf" };
		return named[code] ?? "";
	}
	const half = ((plate.high[i] ?? 0) - (plate.low[i] ?? 0)) / (2 * last);
	const about = valueOfLevel(plate, i, code, coding);
	const scale = Math.floor(Math.log10(Math.abs(about) || half));
	const digits = 2 + scale - Math.floor(Math.log10(half));
	const mean = shrink > 1 ? `, mean of ${shrink} × ${shrink} values` : "";
	const value = half ? `${short(about, digits)} ± ${short(half, 2)}` : short(about);
	return value + (half && says ? " (quantized)" : "") + mean;
}
