// Bundles and minifies the sources into featmagic/explorer/static, which is committed: who installs
// featmagic needs no Node. The bytes depend on the sources and the lock file alone.

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { minify } from "terser";

const STATIC = new URL("../featmagic/explorer/static/", import.meta.url).pathname;
const LICENSE = await readFile(
	new URL("node_modules/@preact/signals-core/LICENSE", import.meta.url),
	"utf-8",
);

const shared = {
	absWorkingDir: new URL(".", import.meta.url).pathname,
	bundle: true,
	charset: "utf8",
	logLevel: "warning",
};

const { outputFiles } = await build({
	...shared,
	entryPoints: ["src/main.js"],
	format: "esm",
	target: "es2023",
	legalComments: "none",
	write: false,
});
// esbuild's own minifier leaves the script 6 % larger as it travels.
const { code } = await minify(outputFiles[0].text, {
	module: true,
	ecma: 2020,
	compress: { passes: 3, unsafe: true, unsafe_arrows: true },
	format: { comments: false, preamble: "/*! With @preact/signals-core: see LICENSES.txt. */" },
});
await writeFile(`${STATIC}explorer.js`, `${code}\n`);
await writeFile(`${STATIC}LICENSES.txt`, `@preact/signals-core\n\n${LICENSE.trim()}\n`);
await build({
	...shared,
	minify: true,
	entryPoints: { explorer: "src/style.css" },
	outdir: STATIC,
});
