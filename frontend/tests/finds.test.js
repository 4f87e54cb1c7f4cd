import { expect, test } from "vitest";
import { FINDERS } from "../src/finds.js";
import { State } from "../src/state.js";
import { layer, plate, storeOf } from "./helpers.js";

const plain = plate([
	[0, 1],
	[-7, 2],
]);
const dead = plate(
	[
		[0, 3],
		[2, 2],
	],
	{ id: "b/0", channels: [4, 9] },
);

/** @param {any[]} layers */
const found = (layers) => {
	const state = new State(storeOf(layers), null);
	return Object.fromEntries(
		Object.entries(FINDERS).map(([name, find]) => {
			const { layer: of, i = -1 } = find(state, state.store.coding) ?? {};
			return [name, of ? [of.key, of.plates[of.first].channels[i]] : null];
		}),
	);
};

test("nothing is found where there is nothing", () => {
	const zeros = plate([[0, 0]]);
	expect(found([layer("a", { 0: zeros })])).toEqual({
		dead: null,
		strongest: null,
		nan: null,
		inf: null,
	});
});

test("the largest share of dead channels counts, not their number, and the first of them is shown", () => {
	const layers = [
		layer("a", { 0: plain }, { dead: 3, dead_of: 100 }),
		layer("b", { 0: dead }, { dead: 1, dead_of: 2 }),
	];
	const lost = plate(
		[
			[null, null],
			[2, 2],
		],
		{ nan: [6, 0] },
	);
	expect(found([layer("c", { 0: lost }, { dead: 1 })]).dead).toEqual(["c", 1]);
	expect(found(layers).dead).toEqual(["b", 9]);
});

test("the strongest channel is that of the largest absolute value", () => {
	expect(found([layer("b", { 0: dead }), layer("a", { 0: plain })]).strongest).toEqual(["a", 1]);
});

test("NaN and infinities are found where they first are, each for itself", () => {
	const withNaN = plate(
		[
			[0, 1],
			[0, 1],
		],
		{ nan: [0, 5], inf: [0, 0] },
	);
	const withInf = plate(
		[
			[0, 1],
			[0, 1],
		],
		{ nan: [0, 0], inf: [1, 0] },
	);
	const layers = [
		layer("a", { 0: plain }),
		layer("b", { 0: withInf }, { inf: 1 }),
		layer("c", { 0: withNaN }, { nan: 5 }),
		layer("d", { 0: withNaN }, { nan: 5 }),
	];
	expect(found(layers)).toMatchObject({ nan: ["c", 1], inf: ["b", 0] });
});

test("what is found is in the sample that the figures are of, whichever others are here", () => {
	const other = plate([[0, 900]], { id: "a/0" });
	const layers = [layer("a", { 0: other, 2: plain }, { samples: 3, first: "2" })];
	expect(found(layers).strongest).toEqual(["a", 1]);
});
