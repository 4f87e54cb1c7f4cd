import { expect, test } from "vitest";
import { countsOf, describe, indexOf, isConstant, placeOf, strongestOf } from "../src/plate.js";
import { layer, plate } from "./helpers.js";

test("each plane's bytes are counted apart", () => {
	const picture = { pixels: Uint8Array.from([1, 1, 1, 2, 2, 3, 9, 9, 9, 9, 9, 1]), counts: [] };
	const own = plate([
		[0, 1],
		[0, 1],
	]);
	expect(countsOf(picture, own, 0)[1]).toBe(3);
	expect(countsOf(picture, own, 1)[9]).toBe(5);
	expect(countsOf(picture, own, 1)[1]).toBe(1);
});

test("the strongest channel has the largest magnitude of either sign", () => {
	const own = plate([
		[0, 2],
		[-3, 1],
	]);
	const strongest = strongestOf(/** @type {any} */ (layer("a", { 0: own })), own);
	expect(strongest).toMatchObject({ channel: 1, i: 1, isHigh: false, end: "min -3", most: 3 });
});

test("where all are 0, or none is finite, no channel is the strongest", () => {
	const zero = plate([
		[0, 0],
		[0, 0],
	]);
	const lost = plate([[null, null]]);
	expect(strongestOf(/** @type {any} */ (layer("a", {})), zero)).toBeUndefined();
	expect(strongestOf(/** @type {any} */ (layer("a", {})), lost)).toBeUndefined();
	expect(strongestOf(/** @type {any} */ (layer("a", {})), undefined)).toBeUndefined();
});

test("a place is the first with one of the bytes, in values of the plane", () => {
	const own = plate(
		[
			[0, 1],
			[0, 1],
		],
		{ shrink: 3, full: [6, 9] },
	);
	const picture = { pixels: Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 9, 7]), counts: [] };
	expect(placeOf(own, picture, 1, [7])).toEqual([0, 6]);
	expect(placeOf(own, picture, 1, [9, 8])).toEqual([3, 3]);
	expect(placeOf(own, picture, 0, [7])).toBeNull();
});

test("a plane is described by its range and what isn't finite", () => {
	const own = plate(
		[
			[0.5, 2],
			[1, 1],
			[null, null],
		],
		{ nan: [0, 0, 6], inf: [2, 0, 0] },
	);
	expect([0, 1, 2].map((i) => describe(own, i))).toEqual([
		"0.5 to 2, 2 infinite",
		"constant: 1",
		"no finite value, 6 NaN",
	]);
	expect(isConstant(own, 2)).toBe(false);
});

test("a place has an index in the layer's own tensor", () => {
	// Channels last: (batch, rows, columns, channels).
	const reach = { shape: [2, 4, 5, 3], steps: [60, 1, 15, 3] };
	expect(indexOf(reach, 2, [1, 4])).toEqual([1, 1, 4, 2]);
});
