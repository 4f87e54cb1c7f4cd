import { expect, test, vi } from "vitest";
import { ordered, State } from "../src/state.js";
import { decoded, fixtures, Kernel, layer, plate, storeOf } from "./helpers.js";

const png = decoded(fixtures.pictures.flat.png);

/** Two layers whose pictures are here, the second with other channels. */
function twoLayers() {
	const first = plate([
		[0, 1],
		[0, 2],
	]);
	const second = plate([[0, 3]], { id: "b/0", channels: [7], full: [1, 1] });
	const bytes = new Map([
		["a/0", png],
		["b/0", png],
	]);
	return storeOf([layer("a", { 0: first }), layer("b", { 0: second })], bytes);
}

/**
 * Waits until a check passes: pictures are unpacked in their own time.
 *
 * @param {() => void} check
 */
const eventually = (check) => vi.waitFor(check, { timeout: 20_000, interval: 5 });

test("a layer is shown once its picture is unpacked", async () => {
	const state = new State(twoLayers(), null);
	const loading = state.load();
	expect(state.shown.value).toBeNull();
	await loading;
	expect(state.shown.value?.layer.key).toBe("a");
	expect(state.chosen.value?.i).toBe(0);
	expect(state.missing.value).toBe("");
});

test("another layer keeps the channel if it has it, and else takes its first", async () => {
	const state = new State(twoLayers(), null);
	await state.load();
	state.choose({ channel: 1, position: [1, 2] });
	state.go("b");
	expect(state.choice.value).toMatchObject({ layer: "b", channel: 7, position: null });
	state.go("nope");
	expect(state.choice.value.layer).toBe("b");
});

test("of two layers chosen in a row the last is shown", async () => {
	const state = new State(twoLayers(), null);
	state.go("b");
	state.go("a");
	await eventually(() => expect(state.shown.value?.layer.key).toBe("a"));
});

test("the kernel is told of each choice once", () => {
	const kernel = new Kernel();
	const state = new State(twoLayers(), kernel);
	state.choose({ channel: 1 });
	state.choose({ channel: 1 });
	expect(kernel.told).toEqual([["channel", 1]]);
	state.set({ gamma: 2 });
	expect(kernel.told.at(-1)).toEqual(["settings", { ...state.settings.value, gamma: 2 }]);
});

test("what the kernel chose is there from the start, and followed", () => {
	const kernel = new Kernel();
	kernel.traits.channel = 1;
	kernel.traits.settings = { cmap: "viridis" };
	const state = new State(twoLayers(), kernel);
	expect(state.choice.value.channel).toBe(1);
	expect(state.settings.value).toMatchObject({ cmap: "viridis", gamma: 1 });
	kernel.traits.channel = 0;
	state.follow("channel");
	expect(state.choice.value.channel).toBe(0);
	expect(kernel.told).toEqual([]);
});

test("a sample that isn't here is asked for, and shown when it comes", async () => {
	const store = twoLayers();
	store.contents.layers[0].samples = 3;
	const kernel = new Kernel();
	kernel.answer = ({ sample }) => ({
		content: { plate: plate([[0, 9]], { id: `a/${sample}` }), ids: [`a/${sample}`] },
		buffers: [png],
	});
	const state = new State(store, kernel);
	await state.load();
	state.choose({ sample: 2 });
	await eventually(() => expect(state.shown.value).toMatchObject({ sample: 2 }));
	expect(kernel.asked).toEqual([{ ask: "plate", layer: "a", sample: 2 }]);
	expect(state.shown.value?.plate.high).toEqual([9]);
});

test("what can't be had is said, with the reason", async () => {
	const store = twoLayers();
	store.contents.layers[0].samples = 3;
	const kernel = new Kernel();
	const state = new State(store, kernel);
	state.choose({ sample: 1 });
	await eventually(() => expect(state.missing.value).toBe("no"));
	kernel.traits._alive = false;
	state.choose({ sample: 2 });
	await eventually(() =>
		expect(state.missing.value).toBe("Sample 2 isn't available: no kernel is running to load it."),
	);
	store.contents.layers[1].reason = "it is empty";
	store.contents.layers[1].plates = {};
	state.go("b");
	await eventually(() => expect(state.missing.value).toBe("No picture: it is empty"));
});

test("a channel that isn't here is said, with how many are", async () => {
	const state = new State(twoLayers(), null);
	await state.load();
	state.choose({ channel: 5 });
	expect(state.missing.value).toBe("Channel 5 isn't one of the 2 channels shown.");
});

test("nothing is shown after the view was taken down", async () => {
	const state = new State(twoLayers(), null);
	const loading = state.load();
	state.stop();
	await loading;
	expect(state.shown.value).toBeNull();
});

const usual = /** @type {any} */ ({ sort: "index", topk: 0 });

test("channels are sorted by what is asked, the largest first, equal ones in their order", () => {
	const own = plate([
		[0, 1],
		[0, 5],
		[0, 1],
		[0, 9],
	]);
	expect(ordered(own, { ...usual, sort: "max" }).places).toEqual([3, 1, 0, 2]);
	expect(ordered(own, usual)).toEqual({ by: "index", places: [0, 1, 2, 3] });
});

test("the first few of no order are those with the largest magnitude", () => {
	const own = plate([
		[0, 1],
		[-8, 0],
		[0, 4],
	]);
	expect(ordered(own, { ...usual, topk: 2 })).toEqual({ by: "absmean", places: [1, 2] });
});

test("channels with NaN come last, but not where the share of zeros is asked", () => {
	const own = plate(
		[
			[0, 9],
			[0, 1],
		],
		{ nan: [1, 0], zeros: [0.5, 0.1] },
	);
	expect(ordered(own, { ...usual, sort: "max" }).places).toEqual([1, 0]);
	expect(ordered(own, { ...usual, sort: "sparsity" }).places).toEqual([0, 1]);
});

test("an order by likeness that isn't known is none", () => {
	const own = plate([
		[0, 9],
		[0, 1],
	]);
	expect(ordered(own, { ...usual, sort: "similar" }).by).toBe("index");
	const known = plate(
		[
			[0, 9],
			[0, 1],
		],
		{ order: [1, 0] },
	);
	expect(ordered(known, { ...usual, sort: "similar" }).places).toEqual([1, 0]);
});

test("of another input only planes that the kernel has told of are kept", async () => {
	const own = plate([[0, 1]]);
	const other = plate([[0, 5]], { id: "a/1" });
	const layers = ["a", "b"].map((key) =>
		layer(key, { 0: own, 1: other }, { samples: 2, first: "0" }),
	);
	const store = storeOf(layers);
	const news = { ...layers[1], plates: { 0: plate([[0, 9]]) } };
	store.hear({ changed: [news], input: 3, ids: [] }, []);
	expect(store.contents.layers.map(({ plates }) => Object.keys(plates))).toEqual([["0"], ["0"]]);
	expect(store.contents.layers[0].plates[0]).toBe(own);
	expect(store.contents.input).toBe(3);
	store.contents.layers[0].plates[1] = other;
	store.hear({ changed: [], ids: [] }, []);
	expect(store.contents.layers[0].plates[1]).toBe(other);
});

test("a kernel that dies leaves nothing waiting", async () => {
	const kernel = new Kernel();
	kernel.ask = () => new Promise(() => {});
	const state = new State(storeOf([layer("a", { 0: plate([[0, 1]]) }, { samples: 2 })]), kernel);
	state.choose({ sample: 1 });
	await eventually(() => expect(state.missing.value).toBe("Sample 1 isn't loaded yet."));
	expect(state.asking.value).toBe("sample");
	kernel.traits._alive = false;
	state.follow("_alive");
	await eventually(() => expect(state.asking.value).toBe(""));
	expect(state.missing.value).toBe("Sample 1 isn't available: no kernel is running to load it.");
});

test("the control that asked waits until the kernel has shown the input", () => {
	const kernel = new Kernel();
	const state = new State(twoLayers(), kernel);
	kernel.set = (name, value) => {
		kernel.traits[name] = value;
		state.follow(name); // as a widget's model tells its listeners at once
	};
	state.pick(2);
	expect(state.asking.value).toBe("input");
	state.endInput();
	expect(state.asking.value).toBe("");
});
