import { expect, test } from "vitest";
import { isWhole, placeName } from "../src/names.js";
import { layer, plate } from "./helpers.js";

/**
 * @param {string} item
 * @param {object} axes
 * @param {[number, number]} full
 * @param {object} [more]
 */
function named(item, axes, full, more = {}) {
	const none = { down: "", across: "", fold: "", row: 0, count: 0, numbers: null };
	const own = plate([[0, 1]], { full });
	/** @type {any} */
	const of = layer("a", { 0: own }, { item, axes: { ...none, ...axes }, ...more });
	return (/** @type {number} */ channel, /** @type {[number, number] | null} */ at = null) =>
		placeName(of, own, channel, at);
}

test("a place in a feature map has its channel, row and column", () => {
	const name = named("channel", { down: "row", across: "column" }, [8, 8]);
	expect(name(3, [4, 7])).toBe("channel 3, row 4, column 7");
	expect(name(3)).toBe("channel 3");
});

test("a place in attention weights has its head, query and key", () => {
	const name = named("head", { down: "query", across: "key" }, [17, 17]);
	expect(name(2, [5, 9])).toBe("head 2, query 5, key 9");
	expect(name(2)).toBe("head 2");
});

test("a single value is a unit, and its place adds nothing", () => {
	const name = named("unit", {}, [1, 1]);
	expect(name(3, [0, 0])).toBe("unit 3");
	expect(name(3)).toBe("unit 3");
});

test("in a fold the units follow row by row, and behind the last there is none", () => {
	const name = named("unit", { fold: "unit", row: 18, count: 300 }, [17, 18], { noun: "values" });
	expect(name(0, [7, 11])).toBe("unit 137");
	expect(name(0, [16, 11])).toBe("unit 299");
	expect(name(0, [16, 12])).toBe("no unit");
	expect(name(0)).toBe("values");
});

test("in a heat map a place has a token and a unit", () => {
	const name = named("unit", { down: "token", across: "unit" }, [9, 64], { noun: "heat map" });
	expect(name(0, [5, 12])).toBe("token 5, unit 12");
	expect(name(0)).toBe("heat map");
	const rows = named("channel", { down: "channel", across: "step" }, [4, 50]);
	expect(rows(0, [3, 20])).toBe("channel 3, step 20");
});

test("units of which only some are shown keep their own numbers", () => {
	const numbers = [10, 20, 30];
	const fold = named("unit", { fold: "unit", row: 2, count: 3, numbers }, [2, 2]);
	expect(fold(0, [1, 0])).toBe("unit 30");
	const across = named("unit", { down: "token", across: "unit", numbers }, [9, 3]);
	expect(across(0, [2, 1])).toBe("token 2, unit 20");
});

test("a line of values is named by the one axis it has", () => {
	expect(named("channel", { across: "column" }, [1, 50])(2, [0, 33])).toBe("channel 2, column 33");
	expect(named("token", { down: "token" }, [9, 1])(0, [4, 0])).toBe("token 4");
});

test("all items are in one picture where one of its axes is theirs", () => {
	/** @type {any} */
	const own = layer("a", {});
	expect(isWhole(own)).toBe(false);
	expect(isWhole({ ...own, item: "column" })).toBe(true);
});
