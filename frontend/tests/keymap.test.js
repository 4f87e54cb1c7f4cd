import { expect, test } from "vitest";
import { actionOf, HELP } from "../src/keymap.js";

/**
 * @param {string} key
 * @param {object} [more]
 */
const pressed = (key, more = {}) => actionOf({ key, shift: false, on: "", ...more });

test("every key in the help does something", () => {
	const keys = Object.keys(HELP).flatMap((words) =>
		words.split(" ").filter((word) => !["arrows", "Shift"].includes(word)),
	);
	expect(keys.filter((key) => pressed(key) === null)).toEqual([]);
	for (const way of ["Left", "Right", "Up", "Down"]) {
		expect(pressed(`Arrow${way}`)?.action).toBe("channel");
		expect(pressed(`Arrow${way}`, { shift: true })?.action).toBe("place");
	}
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
	expect(pressed("c", { on: "button" })).toEqual({ action: "copy" });
});

test("arrows go through the layers in their list, either way", () => {
	expect(pressed("ArrowDown", { on: "layers" })).toEqual({ action: "layer", by: 1 });
	expect(pressed("ArrowLeft", { on: "layers" })).toEqual({ action: "layer", by: -1 });
});

test("other keys are the browser's", () => {
	expect(["a", "Tab", "F5", " "].map((key) => pressed(key))).toEqual([null, null, null, null]);
});
