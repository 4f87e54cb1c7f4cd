import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { matcherOf } from "../src/matching.js";
import { layer } from "./helpers.js";

/** @type {{query: string, key: string, path: string, kind: string, matches: boolean}[]} */
const queries = JSON.parse(readFileSync(new URL("queries.json", import.meta.url), "utf-8"));

test.each(queries)("$query means $key, a $kind: $matches", ({ query, matches, ...layer }) => {
	expect(matcherOf(query)(layer)).toBe(matches);
});

test("a pattern of many stars takes no longer than others", () => {
	const isMeant = matcherOf(`${"*a".repeat(20)}*b`);
	expect(isMeant(layer("a".repeat(200), {}))).toBe(false);
	expect(isMeant(layer(`${"a".repeat(200)}b`, {}))).toBe(true);
});

test.each(["[".repeat(100_000), "[z-a]", "*[", "(*"])("a pattern that is none is text", (query) => {
	expect(matcherOf(query)(layer("conv", {}))).toBe(false);
	expect(matcherOf(query)(layer(`x${query}`, {}))).toBe(true);
});
