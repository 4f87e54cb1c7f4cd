import { expect, test, vi } from "vitest";
import { codeOf } from "../src/clipboard.js";
import { nameOf } from "../src/cursor.js";
import { placeName } from "../src/names.js";
import { plateKey, sliceName, sliceOf, whereOf } from "../src/slices.js";
import { State } from "../src/state.js";
import { decoded, fixtures, Kernel, layer, plate, storeOf } from "./helpers.js";

const png = decoded(fixtures.pictures.flat.png);

/** A volume of 6 slices of which the middle one is here, one of 3 slices, and a layer of none. */
function volumes() {
	const of = (/** @type {string} */ key, /** @type {any} */ slice) =>
		plate([[0, 1]], { id: `${key}/${plateKey(0, slice)}`, slice });
	const layers = [
		layer("a", { "0/3": of("a", 3) }, { slices: 6, of: 1 }),
		layer("b", { "0/1": of("b", 1), "0/2": of("b", 2) }, { slices: 3, of: 1 }),
		layer("c", { 0: of("c", null) }, { of: 1 }),
	];
	const ids = layers.flatMap(({ plates }) => Object.values(plates).map(({ id }) => id));
	return storeOf(layers, new Map(ids.map((id) => [id, png])));
}

test("a choice means the middle, the slice itself or the last of a shallower volume", () => {
	/** @type {any} */
	const deep = layer("a", {}, { slices: 6 });
	const chosen = [/** @type {const} */ ("mid"), 0, 5, 9, /** @type {const} */ ("mip")];
	expect(chosen.map((slice) => sliceOf(deep, { slice }))).toEqual([3, 0, 5, 5, "mip"]);
	expect(sliceOf({ ...deep, slices: 0 }, { slice: 4 })).toBeNull();
});

test("a slice is named, and is part of the place in a volume", () => {
	const names = [4, /** @type {const} */ ("mean"), /** @type {const} */ ("mip"), null];
	expect(names.map(sliceName)).toEqual(["slice 4", "mean", "maximum projection", ""]);
	/** @type {any} */
	const own = layer("a", {}, { slices: 6 });
	const of = (/** @type {any} */ slice) => placeName(own, plate([[0, 1]], { slice }), 3, [1, 2]);
	expect(of(4)).toBe("channel 3, slice 4, row 1, column 2");
	expect(of("mip")).toBe("channel 3, maximum projection, row 1, column 2");
});

test("the layer, sample and slice chosen are shown, and another slice is asked for", async () => {
	const kernel = new Kernel();
	kernel.answer = ({ layer: key, sample, slice }) => {
		const id = `${key}/${sample}/${slice}`;
		return { content: { plate: plate([[0, 9]], { id, slice }), ids: [id] }, buffers: [png] };
	};
	const state = new State(volumes(), kernel);
	await state.load();
	expect(state.shown.value?.plate.slice).toBe(3);
	state.choose({ slice: 5 });
	await vi.waitFor(() => expect(state.shown.value?.plate.slice).toBe(5));
	expect(kernel.asked).toEqual([{ ask: "plate", layer: "a", sample: 0, slice: 5 }]);
	expect(kernel.told).toEqual([["slice", 5]]);
	state.choose({ slice: 3 });
	await vi.waitFor(() => expect(state.shown.value?.plate.slice).toBe(3));
	state.choose({ slice: 5 });
	await vi.waitFor(() => expect(state.shown.value?.plate.slice).toBe(5));
	expect(kernel.asked.length).toBe(1); // it is remembered
	state.go("b");
	await vi.waitFor(() => expect(state.shown.value?.plate.id).toBe("b/0/2"));
	state.go("c");
	await vi.waitFor(() => expect(state.shown.value?.plate.slice).toBeNull());
	expect(state.choice.value.slice).toBe(5);
});

test("a slice that isn't here is said", async () => {
	const state = new State(volumes(), null);
	state.choose({ slice: 0 });
	await vi.waitFor(() =>
		expect(state.missing.value).toBe(
			"Slice 0 of sample 0 isn't available: no kernel is running to load it.",
		),
	);
	state.choose({ slice: "mip" });
	await vi.waitFor(() => expect(state.missing.value).toMatch(/^Maximum projection of sample 0 is/));
});

test("a question for a slice names it, and one for what is no volume doesn't", () => {
	expect(whereOf("a", 1, 0)).toEqual({ layer: "a", sample: 1, slice: 0 });
	expect(whereOf("a", 1, null)).toEqual({ layer: "a", sample: 1 });
});

test("an exact value is of one slice alone", () => {
	const name = (/** @type {string} */ id) =>
		nameOf(/** @type {any} */ ({ plate: { id }, channel: 1, position: [2, 3] }));
	expect(name("a/0/3")).not.toBe(name("a/0/4"));
});

test("the code reaches the slice, or makes what is made of all of them", () => {
	// (batch, channels, depth, rows, columns) = (2, 4, 6, 2, 3), sample 1
	const shape = [2, 4, 6, 2, 3];
	const reach = (/** @type {number} */ slice) => ({ shape, steps: [144 + 6 * slice, 36, 3, 1] });
	const code = (/** @type {object} */ more) =>
		codeOf({ maps: "maps" }, layer("a", {}), plate([[0, 1]], more), 2);
	expect(code({ reach: reach(5), slice: 5 })).toBe('maps["a"][1, 2, 5]');
	const made = { made_of: { reach: reach(0), axis: 2 } };
	expect(code({ ...made, slice: "mean" })).toBe('maps["a"][1, 2].mean(0)');
	expect(code({ ...made, slice: "mip" })).toBe('maps["a"][1, 2].amax(0)');
	// Channels last: (depth, rows, columns, channels) = (6, 2, 3, 4)
	const last = { reach: { shape: [6, 2, 3, 4], steps: [0, 1, 12, 4] }, axis: 0 };
	expect(code({ made_of: last, slice: "mip" })).toBe('maps["a"][:, :, :, 2].amax(0)');
});
