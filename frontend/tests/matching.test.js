import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { matcherOf } from "../src/matching.js";

/** @type {{query: string, key: string, path: string, kind: string, matches: boolean}[]} */
const queries = JSON.parse(readFileSync(new URL("queries.json", import.meta.url), "utf-8"));

test.each(queries)("$query means $key, a $kind: $matches", ({ query, matches, ...layer }) => {
	expect(matcherOf(query)(layer)).toBe(matches);
});
