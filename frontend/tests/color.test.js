import { expect, test } from "vitest";
import { colorsOf, lutOf } from "../src/color.js";
import { decoded, fixtures, layer, plate, storeOf } from "./helpers.js";

const { low, high, levels, expected } = fixtures.colors;

/**
 * The colors of the levels of one plane, as bytes of RGB.
 *
 * @param {[number, number]} range
 * @param {object} settings
 */
function drawn(range, settings) {
	const own = plate([range]);
	const one = layer("a", { 0: own });
	const store = storeOf([one]);
	const picture = { pixels: new Uint8Array(6), counts: [] };
	const colors = colorsOf(store, { layer: one, plate: own, picture }, settings);
	const lut = lutOf(colors, own, 0, store);
	const rgb = [...lut.subarray(0, levels)].flatMap((rgba) => [
		rgba & 255,
		(rgba >> 8) & 255,
		(rgba >> 16) & 255,
	]);
	return { colors, lut, rgb: Uint8Array.from(rgb) };
}

for (const [what, settings] of Object.entries({
	linear: { cmap: "viridis" },
	gamma: { cmap: "viridis", gamma: 0.5 },
	centered: {},
})) {
	test(`the colors of all levels are matplotlib's: ${what}`, () => {
		const { colors, rgb } = drawn([low, high], settings);
		expect(colors.name).toBe(expected[what].cmap);
		expect(rgb).toEqual(decoded(expected[what].rgb));
	});
}

test("one sign is drawn in viridis from end to end", () => {
	const { colors, rgb } = drawn([0, 2], {});
	expect(colors.name).toBe("viridis");
	expect(rgb).toEqual(decoded(fixtures.colors.cmaps.viridis));
});

test("bytes that are no levels keep their own colors", () => {
	const { lut } = drawn([0, 2], { gamma: 3 });
	expect(lut[247]).toBe(((255 << 24) | (255 << 16) | 255) >>> 0);
	expect(lut[251]).toBe(((255 << 24) | (3 << 16) | (2 << 8) | 1) >>> 0);
	expect(lut[255]).toBe(lut[251]);
});

const ranges = /** @type {[number | null, number | null][]} */ ([
	[0, 1],
	[2, 5],
	[null, null],
]);

test("a layer's range is that of its channels with a finite value", () => {
	const own = plate(ranges);
	const one = layer("a", { 0: own });
	const picture = { pixels: new Uint8Array(18), counts: [] };
	const { ranges: drawnWith, own: isOwn } = colorsOf(
		storeOf([one]),
		{ layer: one, plate: own, picture },
		{ scale: "layer" },
	);
	expect(isOwn).toBe(false);
	expect(drawnWith).toEqual([
		[0, 5],
		[0, 5],
		[0, 5],
	]);
});

test("the range of all layers holds those of the others too", () => {
	const own = plate(ranges);
	const one = layer("a", { 0: own });
	const store = storeOf([one, layer("b", { 0: plate([[-9, 3]]) }), layer("c", {})]);
	const picture = { pixels: new Uint8Array(18), counts: [] };
	const colors = colorsOf(store, { layer: one, plate: own, picture }, { scale: "all" });
	expect(colors.ranges[0]).toEqual([-9, 9]);
	expect(colors.centered).toBe(true);
});

test("a percentage is left out at each end, by the ranks that Python takes", () => {
	const own = plate([[0, 246]], { height: 10, width: 10, full: [10, 10] });
	const one = layer("a", { 0: own });
	const pixels = Uint8Array.from({ length: 100 }, (_, n) =>
		n === 0 ? 0 : n === 99 ? 246 : 50 + n,
	);
	const colors = colorsOf(
		storeOf([one]),
		{ layer: one, plate: own, picture: { pixels, counts: [] } },
		{ robust: 2 },
	);
	expect(colors.ranges).toEqual([[52, 147]]); // ranks round(0.02 * 99) and round(0.98 * 99)
});
