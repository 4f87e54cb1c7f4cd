// Bundles and minifies the sources into featmagic/explorer/static, which is committed: who installs
// featmagic needs no Node. The bytes depend on the sources and the lock file alone.

import { readFile } from "node:fs/promises";
import { build } from "esbuild";

const STATIC = new URL("../featmagic/explorer/static/", import.meta.url).pathname;
const LICENSE = await readFile(
	new URL("node_modules/@preact/signals-core/LICENSE", import.meta.url),
	"utf-8",
);

const shared = {
	absWorkingDir: new URL(".", import.meta.url).pathname,
	bundle: true,
	minify: true,
	charset: "utf8",
	logLevel: "warning",
};

await build({
	...shared,
	entryPoints: { explorer: "src/main.js" },
	outdir: STATIC,
	format: "esm",
	target: "es2023",
	legalComments: "none",
	banner: { js: `/*! With @preact/signals-core:\n${LICENSE.trim()}\n*/` },
});
await build({ ...shared, entryPoints: { explorer: "src/style.css" }, outdir: STATIC });
