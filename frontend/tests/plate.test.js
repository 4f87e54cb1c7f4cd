import { expect, test } from "vitest";
import { countsOf, describe, indexOf, isConstant, strongestOf } from "../src/plate.js";
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
	expect(strongest?.text).toBe("1 (min -3)");
});

test("where all are 0, or there is one channel, none is the strongest", () => {
	const zero = plate([
		[0, 0],
		[0, 0],
	]);
	const single = plate([[0, 4]]);
	expect(strongestOf(/** @type {any} */ (layer("a", {})), zero)).toBeUndefined();
	expect(strongestOf(/** @type {any} */ (layer("a", {})), single)).toBeUndefined();
	expect(strongestOf(/** @type {any} */ (layer("a", {})), undefined)).toBeUndefined();
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
		"one value: 1",
		"no finite value, 6 NaN",
	]);
	expect(isConstant(own, 2)).toBe(false);
});

test("a place has an index in the layer's own tensor", () => {
	// Channels last: (batch, rows, columns, channels).
	const reach = { shape: [2, 4, 5, 3], steps: [60, 1, 15, 3] };
	expect(indexOf(reach, 2, [1, 4])).toEqual([1, 1, 4, 2]);
});
