// Firefox, driven over WebDriver BiDi for the tests in Python: reads a command in JSON from each
// line of its input, and writes what came of it as a line of JSON.
//
//     node firefox.js <the browser> [dark]

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [executablePath, scheme] = process.argv.slice(2);
const browser = await puppeteer.launch({
	browser: "firefox",
	protocol: "webDriverBiDi",
	executablePath,
	extraPrefsFirefox: {
		"layout.css.prefers-color-scheme.content-override": scheme === "dark" ? 0 : 1,
	},
});
const page = await browser.newPage();
/** What the page said, threw, asked for and was refused since it was opened. */
let heard = { errors: [], said: [], requests: [] };
page.on("pageerror", (error) => heard.errors.push(String(error)));
page.on("console", (message) => heard.said.push(`${message.type()}: ${message.text()}`));
page.on("request", (request) => heard.requests.push(request.url()));
await page.evaluateOnNewDocument(() => {
	window.violations = [];
	addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
		window.violations.push(`${effectiveDirective} ${blockedURI}`);
	});
});

async function elementAt(selector) {
	const element = await page.waitForSelector(selector, { timeout: 30_000 });
	await element.scrollIntoView();
	return element;
}

const commands = {
	version: () => browser.version(),
	async open({ url, width, height }) {
		heard = { errors: [], said: [], requests: [] };
		await page.setViewport({ width, height });
		await page.goto(url);
	},
	async evaluate({ script, argument }) {
		const call = `(${script})(${JSON.stringify(argument ?? null)})`;
		const text = await page.evaluate(`(async () => JSON.stringify(await ${call}))()`);
		return text === undefined ? null : JSON.parse(text);
	},
	click: async ({ selector }) => (await elementAt(selector)).click(),
	focus: async ({ selector }) => (await elementAt(selector)).focus(),
	choose: async ({ selector, value }) => page.select(selector, value),
	press: ({ key }) => page.keyboard.press(key),
	type: ({ text }) => page.keyboard.type(text),
	/** Points at a place of an element, in parts of its sides. */
	async hover({ selector, across, down }) {
		const { x, y, width, height } = await (await elementAt(selector)).boundingBox();
		await page.mouse.move(x + across * width, y + down * height);
	},
	async heard() {
		return { ...heard, violations: await page.evaluate(() => window.violations) };
	},
};

for await (const line of createInterface({ input: process.stdin })) {
	const { command, ...input } = JSON.parse(line);
	let reply;
	try {
		reply = { result: (await commands[command](input)) ?? null };
	} catch (error) {
		reply = { error: String(error?.stack ?? error) };
	}
	process.stdout.write(`${JSON.stringify(reply)}\n`);
}
await browser.close();
