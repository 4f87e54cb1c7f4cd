// The chosen channel: large, with its histogram and figures, and the input under it.

import { lutOf } from "./color.js";
import {
	canvasIn,
	make,
	makeButton,
	makeCanvas,
	makePictureBox,
	pairs,
	style,
	write,
} from "./dom.js";
import { percent, short, within } from "./format.js";
import { isWhole, placeName } from "./names.js";
import { contextOf, paint, put } from "./paint.js";
import { countsOf, describe, isSingle, valueOfLevel } from "./plate.js";

/** @import { Colors, PlaneBox, Position, ShownChannel, Slice } from "./types" */
/** @import { State } from "./state.js" */

const HISTOGRAM = { height: 56, bars: 50, scale: 52 }; // pixels: where bars end and colors begin
const LEVELS_OF_BAR = 4;

/**
 * Makes the inspector.
 *
 * @param {State} state
 * @param {object} how
 * @param {(box: PlaneBox, event: MouseEvent) => Position} how.placeIn
 * @param {() => void} how.pin
 * @param {() => void} how.copy
 * @param {() => void} how.drawMark - Called when the input was drawn.
 * @param {() => void} how.toggleFull
 * @param {HTMLElement[]} how.controls - Those that stand under the input.
 * @param {HTMLElement} how.patch - The button that stands under the channel.
 * @param {HTMLElement[]} how.panels - What stands under the large picture.
 */
export function makeInspector(
	state,
	{ placeIn, pin, copy, drawMark, toggleFull, controls, patch, panels },
) {
	/** What is drawn. @type {{colors: Colors, channel: number, room: string} | null} */
	let drawn = null;

	const { tips } = state.store.contents;
	const large = makePictureBox("featmagic-large", "", (event) =>
		state.choose({ position: placeIn(large, event) }),
	);
	large.ondblclick = toggleFull;
	const heading = make("strong");
	const pinner = makeButton("pin", pin, tips.pin);
	const widener = makeButton("enlarge", toggleFull, tips.full);
	const copier = makeButton("copy code", copy, tips.copy);
	const histogram = makeCanvas("featmagic-histogram", { role: "img" });
	const ends = make("div.fm-ends");
	const figures = make("dl");
	const input = makePictureBox("featmagic-input", "input with the channel on it");
	const field = make("div.featmagic-field");
	const words = make("div.fm-words");
	const inputBox = make("div.fm-input", input, words, ...controls);
	histogram.dataset.tip = tips.histogram;
	input.append(field);
	const element = make(
		"div.fm-side",
		make("div.fm-chosen", make("div.fm-head", heading, pinner, copier, widener), large, patch),
		...panels,
		make("div.fm-measured", histogram, ends, figures),
		inputBox,
	);

	function draw() {
		const { channel } = state.choice.peek();
		const chosen = state.chosen.peek();
		element.classList.toggle("fm-none", !chosen); // what isn't there has no room to measure
		const width = /** @type {HTMLElement} */ (large.parentNode).clientWidth;
		const main = large.closest(".fm-main")?.clientHeight ?? 0;
		const tallest = Math.min(main, innerHeight);
		// As long as there is room beside it, the picture may push what is below it out of sight.
		const height = state.isFull
			? 0.94 * tallest
			: Math.max(0.45 * tallest, Math.min(0.8 * tallest, 0.9 * width));
		const room = `${width} ${height}`;
		const colors = state.colors.peek();
		const isPinned = state.pins.peek().some((one) => isChosen(state, one));
		const name = chosen ? placeName(chosen.layer, chosen.plate, channel) : "";
		write(heading, chosen && state.isFull ? `${chosen.layer.key} · ${name}` : name);
		write(pinner, isPinned ? "unpin" : "pin");
		write(widener, state.isFull ? "restore" : "enlarge");
		large.shows = chosen;
		const isSame = drawn?.colors === colors && drawn?.channel === channel && drawn?.room === room;
		if (!chosen || !colors || isSame) return;
		drawn = { colors, channel, room };
		const { plate } = chosen;
		// A single value has no picture, and one of all channels is in the middle.
		large.hidden = isSingle(plate) || (isWhole(chosen.layer) && !state.isFull);
		const most = Math.min(width / plate.width, height / plate.height);
		const zoom = most < 2 ? most : Math.floor(most);
		const [wide, tall] = [plate.width, plate.height].map((side) => Math.max(40, zoom * side));
		style(large, { ratio: wide / tall, wide: `${wide}px` });
		paint(canvasIn(large), colors, chosen, state.store);
		const rows = figuresOf(chosen);
		figures.replaceChildren(...pairs(rows));
		canvasIn(large).ariaLabel = `${chosen.layer.key}, ${name}: ${rows.range}`;
		drawHistogram(chosen, colors);
		drawInput(chosen, colors, drawn);
	}

	/**
	 * @param {ShownChannel} one
	 * @param {Colors} colors
	 */
	function drawHistogram({ plate, picture, i }, colors) {
		const { levels, codes } = state.store.coding;
		const lut = lutOf(colors, plate, i, state.store);
		const image = new ImageData(levels, HISTOGRAM.height);
		const out = new Uint32Array(image.data.buffer);
		const bars = new Uint32Array(Math.ceil(256 / LEVELS_OF_BAR));
		countsOf(picture, plate, i).forEach((n, code) => {
			if (code < levels) bars[Math.floor(code / LEVELS_OF_BAR)] += n;
		});
		const most = Math.max(...bars);
		for (let at = 0; at < out.length; at++) {
			const level = at % levels;
			const y = Math.floor(at / levels);
			const share = bars[Math.floor(level / LEVELS_OF_BAR)] / most;
			const tall = Math.ceil(Math.sqrt(share) * HISTOGRAM.bars);
			if (y >= HISTOGRAM.scale) out[at] = lut[level];
			else if (y < HISTOGRAM.bars && y >= HISTOGRAM.bars - tall) out[at] = lut[codes.constant];
		}
		put(histogram, image);
		histogram.ariaLabel = `histogram of ${describe(plate, i)}`;
		const range = [plate.low[i], plate.high[i]];
		ends.replaceChildren(...range.map((end) => make("span", short(end, 3))));
	}

	/**
	 * Draws the input with the channel over it: the larger a magnitude, the more opaque.
	 *
	 * @param {ShownChannel} one
	 * @param {Colors} colors
	 * @param {object} mine - What is drawn; if it is no longer, this is too late.
	 */
	async function drawInput(one, colors, mine) {
		const about = state.store.contents.images[one.sample];
		inputBox.hidden = !about;
		const photo = about && (await state.store.photo(about.id));
		if (!photo || drawn !== mine || state.isStopped) return;
		const canvas = canvasIn(input);
		const context = contextOf(canvas);
		canvas.width = photo.width;
		canvas.height = photo.height;
		style(input, { ratio: photo.width / photo.height });
		context.drawImage(photo, 0, 0);
		drawMark();
		if (!one.layer.spatial) return;
		const over = makeCanvas("", {});
		paint(over, colors, one, state.store, overlayLut(state, one, colors));
		context.imageSmoothingEnabled = false;
		context.drawImage(over, 0, 0, canvas.width, canvas.height);
	}

	/**
	 * Draws what a place sees of the input: its receptive field, or its place by proportion.
	 *
	 * @param {Position | undefined} at
	 */
	function drawField(at) {
		const shown = state.shown.peek();
		const image = shown && state.store.contents.images[shown.sample];
		if (!image) return;
		const { field: known, spatial } = shown.layer;
		field.hidden = !at || !spatial;
		let told = known
			? `receptive field ${known[0]} × ${known[1]}`
			: "approximate location (receptive field unknown)";
		if (!spatial) told = "no location in the input";
		write(words, [told, image.words].filter(Boolean).join(" · "));
		at?.forEach((n, axis) => {
			const [from, long, whole] = known
				? [known[4 + axis] + n * known[2 + axis], known[axis], image.full[axis]]
				: [n, 1, shown.plate.full[axis]];
			style(field, { [`from${axis}`]: from / whole, [`long${axis}`]: long / whole });
		});
	}

	return {
		element,
		draw,
		drawField,
		stop() {
			drawn = null;
		},
	};
}

/**
 * Whether a pin is of the chosen channel.
 *
 * @param {State} state
 * @param {{layer: string, channel: number, sample: number, slice: Slice}} one
 */
export function isChosen(state, { layer, channel, sample, slice }) {
	const choice = state.choice.peek();
	const shown = state.shown.peek();
	const isHere = sample === shown?.sample && slice === shown.plate.slice;
	return layer === choice.layer && channel === choice.channel && isHere;
}

/**
 * @param {ShownChannel} one
 * @returns {Record<string, string>}
 */
function figuresOf({ plate, i }) {
	const { prefix, mean, std, absmean, zeros } = plate;
	/** @type {Record<string, string>} */
	const rows = {
		range: describe(plate, i),
		mean: short(mean[i]),
		std: short(std[i]),
		"mean |x|": short(absmean[i]),
		zeros: percent(zeros[i] ?? 0),
	};
	prefix?.names.forEach((token, n) => {
		rows[token] = short(prefix.values[i][n]);
	});
	return rows;
}

/**
 * @param {State} state
 * @param {ShownChannel} one
 * @param {Colors} colors
 */
function overlayLut({ store, settings }, { plate, i }, colors) {
	const { levels, codes } = store.coding;
	const [low, high] = colors.ranges[i];
	const { alpha } = settings.peek();
	const lut = lutOf(colors, plate, i, store).map((rgba, code) => {
		const value = within(valueOfLevel(plate, i, code, store.coding), low, high);
		const part = Math.abs(value) / (Math.max(-low, high) || 1);
		const opacity = alpha * (code < levels ? part ** colors.gamma : 1);
		return (rgba & 0xffffff) | ((255 * opacity) << 24);
	});
	lut[codes.gap] = 0;
	lut[codes.constant] = 0;
	return lut;
}
