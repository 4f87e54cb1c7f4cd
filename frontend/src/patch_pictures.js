// The pictures of kernel × patch: patch, kernel and product, and the sums of all channels.

import { colormapOf } from "./color.js";
import { canvasIn, make, makeButton, makeCanvas, makePictureBox, style, write } from "./dom.js";
import { within } from "./format.js";
import { productOf } from "./kernel_patch.js";
import { STEPS } from "./keymap.js";
import { contextOf, put } from "./paint.js";

/** @import { KernelPatch } from "./kernel_patch.js" */
/** @import { State } from "./state.js" */

const SIDE = { cell: 60, tall: 190 }; // pixels
const TALL = 36; // pixels of the chart
const DIVERGING = "RdBu_r";

/**
 * Makes the pictures.
 *
 * @param {State} state
 * @param {(channel: number) => void} choose - Called with a channel of the input.
 */
export function makePatchPictures(state, choose) {
	/** @type {KernelPatch | null} */
	let shown = null;
	/** The row and the column that are read. */
	let at = [-1, -1];

	const toInput = makeButton("", () => {
		if (shown?.input) state.go(shown.input, shown.source);
	});
	const captions = [toInput, make("span"), make("span")];
	const boxes = ["patch", "kernel", "product"].map((name) => makePictureBox("", name));
	const parts = boxes.flatMap((box, n) => {
		box.append(make("div.fm-cells", { "aria-hidden": true }));
		const figure = make("figure", box, make("figcaption", captions[n]));
		return [make("span", "=×="[n]), figure];
	});
	const row = make(
		"div.fm-factors",
		{
			role: "group",
			label: "Patch × kernel = product: arrows read the values",
			tabindex: 0,
			onkeydown: step,
			onpointermove: point,
			onpointerleave: () => read(-1, -1),
		},
		...parts.slice(1),
	);
	const chart = makeCanvas("", {
		role: "img",
		onclick(/** @type {MouseEvent} */ { offsetX }) {
			if (!shown) return;
			const n = Math.floor((offsetX / chart.clientWidth) * shown.sums.length);
			choose(within(shown.first + n, shown.first, shown.last));
		},
	});
	const sums = make("div.fm-sums", make("span", "sums by channel"), chart);
	const reading = make("p.fm-words", { "aria-live": "polite" });

	/** @param {PointerEvent} event */
	function point({ target, clientX, clientY }) {
		const box = /** @type {Element} */ (target).closest(".fm-pic");
		if (!shown || !box) return;
		const { left, top, width, height } = box.getBoundingClientRect();
		const { rows, columns } = shown;
		read(((clientY - top) / height) * rows.length, ((clientX - left) / width) * columns.length);
	}

	/** @param {KeyboardEvent} event */
	function step(event) {
		const by = STEPS[event.key];
		if (!by || event.shiftKey || event.target !== row) return;
		event.preventDefault();
		event.stopPropagation(); // it would choose another channel
		read(Math.max(0, at[0] + by[0]), Math.max(0, at[1] + by[1]));
	}

	/**
	 * Reads one value in all three, and marks it; none below 0.
	 *
	 * @param {number} y
	 * @param {number} x
	 */
	function read(y, x) {
		at = [-1, -1];
		let words = "";
		if (shown && y >= 0 && x >= 0) {
			const [tall, wide] = [shown.rows.length, shown.columns.length];
			at = [within(Math.floor(y), 0, tall - 1), within(Math.floor(x), 0, wide - 1)];
			style(row, { y: at[0] / tall, x: at[1] / wide, h: 1 / tall, w: 1 / wide });
			words = productOf(shown, at[0], at[1]);
		}
		row.classList.toggle("fm-reads", Boolean(words));
		write(reading, words);
	}

	/** @param {KernelPatch} one */
	function draw(one) {
		shown = one;
		toInput.disabled = !one.input;
		const settings = state.settings.peek();
		const around = { ...settings, cmap: DIVERGING };
		const usual = one.signed ? DIVERGING : "viridis";
		[settings, around, around].forEach((how, n) => {
			write(captions[n], one.captions[n]);
			drawFactor(one, n, colormapOf(state.store, how, usual).table);
		});
		drawSums(one);
		read(-1, -1);
	}

	/**
	 * @param {KernelPatch} one
	 * @param {number} n - Which of the three.
	 * @param {Uint32Array} table
	 */
	function drawFactor({ rows, columns, padding, cells, colors }, n, table) {
		const [tall, wide] = [rows.length, columns.length];
		const image = new ImageData(wide, tall);
		const out = new Uint32Array(image.data.buffer);
		colors[n].forEach((color, i) => {
			out[i] = table[color];
		});
		put(canvasIn(boxes[n]), image);
		const spans = cells[n].map((text, i) => {
			const span = make(padding[i] && n !== 1 ? "span.fm-padding" : "span", {}, text);
			style(span, { ink: isLight(out[i]) ? "#000" : "#fff" });
			return span;
		});
		boxes[n].lastElementChild?.replaceChildren(...spans);
		style(boxes[n], {
			columns: wide,
			letters: Math.max(...cells[n].map((text) => text.length), 1),
			ratio: wide / tall,
			wide: `${Math.min(SIDE.cell * wide, (SIDE.tall * wide) / tall)}px`,
		});
	}

	/** @param {KernelPatch} one */
	function drawSums({ sums: all, first, source, strongest }) {
		const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
		const scale = (TALL - 1) / (high - low || 1);
		sums.hidden = all.length < 2;
		chart.width = all.length;
		chart.height = TALL;
		style(chart, { count: all.length });
		const context = contextOf(chart);
		all.forEach((sum, i) => {
			context.fillStyle = i === source - first ? "#00c46a" : sum > 0 ? "#c2413c" : "#3c7fb8";
			context.fillRect(i, (high - Math.max(0, sum)) * scale, 1, 1 + Math.abs(sum) * scale);
		});
		chart.ariaLabel = `sums of ${all.length} channels; channel ${strongest} contributes most`;
	}

	return {
		elements: [row, sums, reading],
		draw,
		forget() {
			shown = null;
			read(-1, -1);
		},
	};
}

/**
 * Whether black is easier to read on a color than white.
 *
 * @param {number} rgba - As canvases have it.
 */
function isLight(rgba) {
	const [r, g, b] = [rgba & 255, (rgba >> 8) & 255, (rgba >> 16) & 255];
	return 2 * r * r + 7 * g * g + b * b > 134_560;
}
