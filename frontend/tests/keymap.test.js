import { expect, test } from "vitest";
import { actionOf, keysOf } from "../src/keymap.js";
import { fixtures } from "./helpers.js";

const ROWS = [
	{ key: "m", label: "Colors", help: "next value of Colors" },
	{ key: "", label: "Gamma", help: "next value of Gamma" },
];
const { actions, help } = keysOf(
	/** @type {any} */ ({
		keys: fixtures.keys,
		controls: ROWS,
		finds: [{ key: "d", label: "Most dead", help: "Most dead" }],
	}),
);

/**
 * @param {string} key
 * @param {object} [more]
 */
const pressed = (key, more = {}) => actionOf({ key, shift: false, on: "", ...more }, actions);

test("every key in the help does something", () => {
	const keys = Object.keys(help).flatMap((words) =>
		words.split(" ").filter((word) => !["arrows", "Shift"].includes(word)),
	);
	expect(keys.filter((key) => pressed(key) === null)).toEqual([]);
	for (const way of ["Left", "Right", "Up", "Down"]) {
		expect(pressed(`Arrow${way}`)?.action).toBe("channel");
		expect(pressed(`Arrow${way}`, { shift: true })?.action).toBe("place");
	}
});

test("controls and finds that have a key are in the help, and their keys are theirs", () => {
	expect(help).toMatchObject({ m: "next value of Colors", d: "Most dead" });
	expect(Object.values(help)).not.toContain("next value of Gamma");
	expect(pressed("m")).toEqual({ action: "row", key: "m" });
	expect(pressed("m", { on: "field" })).toBeNull();
});

test("arrows on the divider move it, and Enter gives the channel all the room", () => {
	expect(pressed("ArrowLeft", { on: "divider" })).toEqual({ action: "divide", by: -1 });
	expect(pressed("Enter", { on: "divider" })).toEqual({ action: "full" });
	expect(pressed("]", { on: "divider" })).toEqual({ action: "layer", by: 1 });
});

test("fields keep their keys, but for Escape", () => {
	for (const key of ["[", "c", "?", "Enter", "ArrowLeft", "+"]) {
		expect(pressed(key, { on: "field" })).toBeNull();
	}
	expect(pressed("Escape", { on: "field" })).toEqual({ action: "escape" });
});

test("Enter chooses the layer that was found, and presses a button", () => {
	expect(pressed("Enter", { on: "finder" })).toEqual({ action: "found" });
	expect(pressed("Enter", { on: "button" })).toBeNull();
	expect(pressed(" ", { on: "button" })).toBeNull();
	expect(pressed("c", { on: "button" })).toMatchObject({ action: "copy" });
});

test("arrows go through the tree of layers, either way, and Enter folds", () => {
	expect(pressed("ArrowDown", { on: "layers" })).toEqual({ action: "tree", step: [1, 0] });
	expect(pressed("ArrowLeft", { on: "layers" })).toEqual({ action: "tree", step: [0, -1] });
	expect(pressed("Enter", { on: "layers" })).toEqual({ action: "fold" });
});

test("other keys are the browser's", () => {
	expect(["a", "Tab", "F5", " "].map((key) => pressed(key))).toEqual([null, null, null, null]);
});
