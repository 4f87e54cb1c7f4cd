// The explorer: an anywidget, and what a saved page mounts.
// A layer is a grey PNG and a range for each channel: colours, order and values are made here.

let LEVELS, LAST, CODES;
const {abs, ceil, floor, log10, max, min, round, sign, sqrt} = Math;
const KEYS = {
	"[ ]": "layer before, after", arrows: "channel beside, above, below",
	"Shift arrows": "move the place", "+ -": "zoom", "/": "find a layer by name", Enter: "pin or unpin the channel",
	c: "copy the code that reaches it", "?": "these keys", Escape: "close, let go of the place",
};

// Children become text, never HTML.
function make(tag, attributes, ...children) {
	const [name, kind] = tag.split("."), element = document.createElement(name);
	if (kind) element.className = kind;
	for (const key in attributes) {
		if (key.startsWith("on")) element[key] = attributes[key];
		else element.setAttribute(key === "label" ? "aria-label" : key, attributes[key]);
	}
	element.append(...children);
	return element;
}

function style(element, values) {
	for (const key in values) element.style.setProperty(`--fm-${key}`, values[key]);
}

function write(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

const pairs = rows => Object.entries(rows).flatMap(([what, text]) => [make("dt", {}, what), make("dd", {}, text)]);
const within = (value, low, high) => max(low, min(value, high));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const joined = (parts, by = ", ") => parts.filter(Boolean).join(by);
const percent = share => (share > 0 && share < 0.01 ? "< 1 %" : `${round(share * 100)} %`);
const short = (value, digits = 4) => (typeof value !== "number" ? "none"
	: String(Number(value.toPrecision(within(digits, 1, 17)))).replace("Infinity", "inf"));

// -- pictures

// By hand: what is read back from a canvas may hold a privacy setting's noise.
async function unpacked(data) {
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength), parts = [];
	for (let at = 8, size; at < view.byteLength; at += 12 + size) {
		size = view.getUint32(at);
		if (view.getUint32(at + 4) === 0x49444154) parts.push(new Uint8Array(view.buffer, view.byteOffset + at + 8, size)); // IDAT
	}
	const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
	const lines = new Uint8Array(await new Response(inflated).arrayBuffer());
	const wide = view.getUint32(16), pixels = new Uint8Array(wide * view.getUint32(20));
	for (let to = 0, from = 1; to < pixels.length; to += wide, from += wide + 1) {
		const filter = lines[from - 1], end = to + wide; // none, the pixel on the left, or that above
		pixels.set(lines.subarray(from, from + wide), to);
		if (filter === 1) for (let x = to + 1; x < end; x++) pixels[x] += pixels[x - 1];
		if (filter === 2 && to) for (let x = to; x < end; x++) pixels[x] += pixels[x - wide];
	}
	return {pixels, counts: []};
}

const isSingle = ({full}) => full[0] * full[1] < 2;
const isConstant = (plate, i) => !isSingle(plate) && plate.low[i] === plate.high[i] && !plate.nan[i] && !plate.inf[i];
const mostOf = ({low, high}, i) => max(abs(low[i]), abs(high[i]));
const valueOf = (plate, i, code) => plate.low[i] + code / LAST * (plate.high[i] - plate.low[i]);
const firstOf = layer => Object.values(layer.plates)[0];
const shareOf = layer => (layer.dead ?? 0) / (layer.dead_of || layer.of || 1);

function countsOf(picture, plate, i) {
	if (!picture.counts[i]) {
		const counts = picture.counts[i] = new Uint32Array(256), size = plate.width * plate.height;
		for (let at = i * size; at < (i + 1) * size; at++) counts[picture.pixels[at]]++;
	}
	return picture.counts[i];
}

function innerCodes(counts, robust) {
	const values = counts.subarray(0, LEVELS), outside = (values.reduce((a, b) => a + b, 0) - 1) * robust / 100;
	const first = (found, step) => {
		for (let seen = values[found]; seen <= outside && seen; seen += values[found]) found += step;
		return found;
	};
	return [first(values.findIndex(Boolean), 1), first(values.findLastIndex(Boolean), -1)];
}

// The colours of a layer: around 0 where there are both signs.
function coloursOf(store, {layer, plate, picture}, {cmap, scale, robust, gamma = 1}) {
	const {cmaps, diverging, layers} = store.contents, own = scale === "channel" && !isSingle(plate);
	let ranges = plate.low.map((_, i) => (robust ? innerCodes(countsOf(picture, plate, i), robust) : [0, LAST])
		.map(code => valueOf(plate, i, code)));
	if (!own) {
		const known = ranges.filter((_, i) => plate.low[i] !== null).flat();
		if (scale === "all") known.push(...layers.map(firstOf).flatMap(one => [one?.low, one?.high].flat()).filter(Number.isFinite));
		ranges.fill(known.length ? [min(...known), max(...known)] : [0, 0]);
	}
	const around = layer.signed || [-1, 1].every(way => ranges.flat().some(end => end * way > 0));
	const name = cmaps[cmap] ? cmap : around ? "RdBu_r" : "viridis", centred = around && diverging.includes(name);
	if (centred) ranges = ranges.map(([low, high]) => [-max(-low, high), max(-low, high)]);
	const place = (i, value) => { // of a value among the colours, 0 to 1
		const low = ranges[i][0], high = ranges[i][1], t = high > low ? within((value - low) / (high - low), 0, 1) : 0;
		return centred ? (1 + sign(t - 0.5) * abs(2 * t - 1) ** gamma) / 2 : t ** gamma;
	};
	return {name, centred, own, ranges, gamma, place, table: store.table(name)};
}

function lutOf({table, place}, plate, i) {
	return table.map((rgba, code) => (code < LEVELS ? table[round(place(i, valueOf(plate, i, code)) * LAST)] : rgba));
}

// A plane, one pixel a value. One of a single value is framed and hatched.
let scratch;
function paint(canvas, colours, {plate, picture, i}, lut = lutOf(colours, plate, i)) {
	const {width, height} = plate, {pixels} = picture, start = i * width * height, hatched = isConstant(plate, i);
	if (scratch?.width !== width || scratch.height !== height) scratch = new ImageData(width, height);
	const out = new Uint32Array(scratch.data.buffer), size = out.length;
	for (let at = 0; at < size; at++) out[at] = lut[pixels[start + at]];
	for (let at = 0; hatched && at < size; at++) {
		const x = at % width, y = (at - x) / width, line = (x + y) % 3, edge = !x || !y || x === width - 1 || y === height - 1;
		if (line === 0 || (edge && min(width, height) > 4)) out[at] = lut[CODES.constant];
		else if (colours.own || line === 1) out[at] = lut[CODES.gap];
	}
	put(canvas, scratch);
}

function put(canvas, image) {
	if (canvas.width !== image.width) canvas.width = image.width;
	if (canvas.height !== image.height) canvas.height = image.height;
	canvas.getContext("2d").putImageData(image, 0, 0);
}

// What views of the same contents share: those, and what was unpacked of them.
class Store {
	views = new Set();

	constructor(...given) {
		this.fill(...given);
	}

	fill(contents, bytes) {
		this.contents = contents;
		LAST = (LEVELS = contents.levels) - 1;
		CODES = contents.codes;
		this.bytes = bytes instanceof Map ? bytes : new Map(Object.entries(bytes ?? {}));
		this.pictures = new Map(); // the one used longest ago first
		this.tables = {};
	}

	table(cmap) {
		const {cmaps, special} = this.contents, pack = ([r, g, b]) => 255 << 24 | b << 16 | g << 8 | r;
		if (!this.tables[cmap]) {
			const rgb = Uint8Array.from(atob(cmaps[cmap]), letter => letter.charCodeAt(0));
			const table = this.tables[cmap] = new Uint32Array(256).fill(pack(special.gap));
			for (let i = 0; i < LEVELS; i++) table[i] = pack(rgb.subarray(3 * i));
			for (const what in CODES) table[CODES[what]] = pack(special[what]);
		}
		return this.tables[cmap];
	}

	picture(id, unpack = unpacked) {
		const {pictures, bytes} = this, picture = pictures.get(id) || (bytes.has(id) && unpack(bytes.get(id)).catch(() => null));
		pictures.delete(id);
		pictures.set(id, picture);
		if (pictures.size > 40) pictures.delete(pictures.keys().next().value);
		return picture;
	}

	take(ids = [], buffers = []) {
		ids.forEach((id, i) => this.pictures.delete(id) + this.bytes.set(id, buffers[i]));
	}

	hear(content, buffers) {
		const {busy, changed, images, ids, error} = content, {contents} = this;
		if (busy !== undefined) this.news = busy ? "the model runs …" : error;
		if (changed) {
			const news = Object.fromEntries(changed.map(layer => [layer.key, layer]));
			const layers = contents.layers.map(layer => ({...layer, ...news[layer.key]}));
			this.contents = {...contents, layers, images: images ?? contents.images};
			this.take(ids, buffers);
		}
		if (changed || busy !== undefined) this.views.forEach(view => view(changed));
	}
}

// -- one view

function explore(element, store, kernel) {
	const name = `fm${Math.random()}`; // other explorers are on the page
	const given = what => kernel?.get(what), alive = () => kernel && !stopped && given("_alive") !== false;
	const chosen = {position: null, ...store.contents.start};
	for (const what in chosen) chosen[what] = given(what) ?? chosen[what];
	const tiles = [], frames = new Map(), hide = {"aria-hidden": true};
	let settings = {...store.contents.settings, ...given("settings")};
	let shown = null; // {layer, plate, picture, sample}, once unpacked
	let pins = [], inFilm = [], sorted = [], strong, best, colours, size, by, note, missing, hover, exact = {};
	let tick = 0, turn, drawn, frame, marking, waiting, reveals, stopped;

	const layers = () => store.contents.layers;
	const layerOf = key => layers().find(layer => layer.key === key), now = () => layerOf(chosen.layer) ?? layers()[0];
	const sampleOf = layer => within(chosen.sample, 0, max(0, layer.samples - 1));
	const plateOf = layer => layer.plates[sampleOf(layer)] ?? firstOf(layer);
	const chosenPlace = () => sorted.findIndex(i => shown.plate.channels[i] === chosen.channel);
	const button = (text, onclick, label = "") => make("button", {onclick, label}, text);
	const pictureBox = (kind, label, onclick) => make("div.fm-pic", {onclick}, make(`canvas.${kind}`, {role: "img", label}));

	const controls = {}, labels = {};
	for (const [label, [low, high, step], act, placeholder = ""] of [
		["Layer", [], go], ["Sample", [0, 0, 1], sample => choose({sample})], ["Call", [], go],
		["Input", [0, store.contents.inputs - 1, 1], n => tell("input", n), "as it was"],
		["Colours", [["auto", ...Object.keys(store.contents.cmaps)]], "cmap"],
		["Scale", [["channel", "layer", "all"]], "scale"], ["Robust", [0, 49, 0.5], "robust"], ["Gamma", [0.1, 5, 0.1], "gamma"],
		["Sort", [["index", "mean", "absmean", "max", "std", "sparsity", "similar"]], "sort"],
		["Top", [0, 1e6, 1], "topk", "all"], ["Zoom", [0, 64, 1], "zoom", "auto"], ["Opacity", [0, 1, 0.05], "alpha"],
	]) {
		const id = name + label, change = value => (act.call ? act(value) : set({[act]: value}));
		const control = controls[label] = step ? make("input", {
			id, min: low, max: high, step, placeholder, type: label === "Opacity" ? "range" : "number",
			oninput() {
				if (control.value >= low && (control.value || !act.call)) change(min(step === 1 ? round(control.value) : control.value, control.max));
			},
		}) : make("select", {id, onchange: () => change(control.value)}, ...(low ?? []).map(one => new Option(one)));
		control.setting = act;
		labels[label] = make("div.fm-control", {}, make("label", {for: id}, label), control);
	}
	const {Opacity, ...above} = labels;
	above.Input.hidden = !store.contents.inputs;

	const deadest = button("", () => go(deadest.value)), strongest = button("", () => go(strong.layer.key, strong.channel));
	const finder = make("input", {type: "search", placeholder: "find by name  /", label: "Find", oninput: orderFilm});
	const order = make("select", {label: "Film order", onchange: orderFilm}, new Option("as run"), new Option("most dead first"));
	const film = make("div.fm-film", {
		role: "listbox", label: "Layers", tabindex: 0, onclick: ({target}) => go(target.closest("[data-layer]")?.dataset.layer),
	});
	const title = make("div.fm-title"), told = make("p.fm-reason"), spacer = make("div.fm-spacer");
	const bestHere = button("", () => choose({channel: best.channel}, true));
	const grid = make("div.fm-grid", {
		role: "listbox", label: "Channels", tabindex: 0, onscroll: () => redraw(),
		onclick(event) {
			const tile = event.target.closest("[data-channel]");
			if (tile) choose({channel: Number(tile.dataset.channel), position: placeIn(tile.firstChild, event)});
		},
	}, told, spacer);
	const large = pictureBox("featmagic-large", "", event => choose({position: placeIn(large, event)}));
	const heading = make("strong"), pinner = button("pin", pin), ends = make("div.fm-ends"), figures = make("dl");
	const histogram = make("canvas.featmagic-histogram", {role: "img"});
	const input = pictureBox("featmagic-input", "input with the channel on it"), inputWords = make("div.fm-words");
	const field = make("div.featmagic-field"), inputBox = make("div.fm-input", {}, input, inputWords, Opacity);
	const pinned = make("div.fm-pins");
	const value = make("span.fm-value"), says = make("span.fm-says"), status = make("div.fm-status", {role: "status"}, value, says);
	const keys = make("dialog.fm-keys", {label: "Keys"}, make("dl", {}, ...pairs(KEYS)), button("close", toggleKeys));
	input.append(field);

	const root = make("section.featmagic-explorer", {
		label: "Explorer of feature maps", tabindex: -1, "data-lm-suppress-shortcuts": true,
		onkeydown: press, onkeyup: event => event.stopPropagation(), onpointermove: point, onpointerleave: point,
	}, make("div.fm-controls", {}, ...Object.values(above), button("?", toggleKeys, "Keys")),
	make("div.fm-main", {},
		make("div.fm-left", {}, make("div.fm-shortcuts", {}, deadest, strongest), make("div.fm-finding", {}, finder, order), film),
		make("div.fm-middle", {}, make("div.fm-head", {}, title, bestHere), grid),
		make("div.fm-right", {},
			make("div.fm-chosen", {}, make("div.fm-head", {}, heading, pinner, button("copy code", copy)), large),
			make("div.fm-measured", {}, histogram, ends, figures), inputBox)),
	pinned, status, keys);
	const resizing = new ResizeObserver(() => redraw());
	const watching = new IntersectionObserver(seen => seen.forEach(one => one.isIntersecting && drawThumb(one.target)),
		{root: film});

	// -- the film

	function strongestOf(layer) {
		const plate = plateOf(layer), {channels = []} = plate ?? {}, all = channels.map((_, i) => mostOf(plate, i));
		const most = max(...all), i = all.indexOf(most), channel = channels[i];
		return all.length > 1 && most && {layer, channel, most, text: `${channel} (${most === plate.high[i] ? `max ${short(most, 3)}` : `min ${short(-most, 3)}`})`};
	}

	function fillFilm() {
		frames.clear();
		layers().forEach((layer, i) => {
			const {key, kind, shape, reason, dead, dead_of: of = layer.of, nan, inf} = layer;
			const words = reason ? "no picture" : dead ? `${dead} of ${of} dead, ${percent(shareOf(layer))}` : of ? "none dead" : "";
			const made = make("div", {role: "option", id: `${name}-layer-${i}`, "data-layer": key},
				make("canvas", {width: 48, height: 48, ...hide}),
				make("div", {}, make("b", {}, key), make("span", {}, `${kind} ${shape}`), make("span", {}, words), make("i"),
					make("em", {}, joined([nan && `× ${nan} NaN`, inf && `↑ ${inf} inf`]))));
			style(made, {dead: shareOf(layer)});
			frames.set(key, made);
		});
		controls.Layer.replaceChildren(...layers().map(({key}) => new Option(key)));
		const most = layers().reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a));
		deadest.value = most.key;
		deadest.disabled = !most.dead;
		write(deadest, most.dead ? `deadest layer: ${most.key}, ${percent(shareOf(most))} of ${most.noun} dead` : "no layer has dead channels");
		strong = layers().map(strongestOf).filter(Boolean).sort((a, b) => b.most - a.most)[0];
		write(strongest, strong ? `strongest channel: ${strong.text} of ${strong.layer.key}` : "");
		orderFilm();
	}

	function orderFilm() {
		const sought = finder.value.trim().toLowerCase();
		inFilm = layers().filter(({key}) => key.toLowerCase().includes(sought));
		if (order.selectedIndex) inFilm.sort((a, b) => shareOf(b) - shareOf(a));
		film.replaceChildren(...inFilm.map(({key}) => frames.get(key)), inFilm.length ? "" : `no name has “${sought}” in it`);
		markLayer();
	}

	async function drawThumb(made) {
		const layer = layerOf(made.dataset.layer), plate = layer && firstOf(layer), picture = plate && await store.picture(plate.id);
		if (!picture || made.drawn === plate) return;
		made.drawn = plate;
		const all = plate.channels.length, count = min(4, floor(sqrt(all))), side = 48 / count, plane = make("canvas");
		const usual = coloursOf(store, {layer, plate, picture}, {scale: "channel"}), context = made.firstChild.getContext("2d");
		context.imageSmoothingEnabled = plate.width > side;
		for (let n = 0; n < count * count; n++) {
			paint(plane, usual, {plate, picture, i: floor(n * all / count ** 2)});
			context.drawImage(plane, n % count * side, floor(n / count) * side, side - 1, side - 1);
		}
	}

	function markLayer() {
		for (const [key, one] of frames) one.ariaSelected = key === chosen.layer;
		const made = frames.get(chosen.layer);
		film.setAttribute("aria-activedescendant", made?.isConnected ? made.id : "");
		if (made) reveal(film, made.offsetTop, made.offsetHeight, made.offsetLeft, made.offsetWidth);
	}

	// scrollIntoView would move the notebook too.
	function reveal(box, top, height, left = 0, width = 0) {
		box.scrollTop = within(box.scrollTop, top + height - box.clientHeight, top);
		box.scrollLeft = within(box.scrollLeft, left + width - box.clientWidth, left);
	}

	// -- what is chosen

	function tell(what, news) {
		if (kernel && !same(given(what), news)) kernel.set(what, news);
	}

	function set(some) {
		settings = {...settings, ...some};
		tell("settings", settings);
		arrange();
	}

	function go(key, channel = chosen.channel) {
		const layer = layerOf(key), plate = layer && plateOf(layer);
		if (!layer) return;
		choose({
			layer: key, channel: plate?.channels.includes(channel) === false ? plate.channels[0] : channel,
			position: same(plate?.full, shown?.plate.full) ? chosen.position : null,
		}, true);
	}

	function choose(some, shows) {
		const {layer, sample} = chosen;
		Object.assign(chosen, some);
		for (const what in some) tell(what, some[what]);
		note = "";
		if (shows) hover = null;
		if (chosen.layer !== layer || chosen.sample !== sample) load();
		else redraw(shows);
	}

	function follow(what) {
		const news = given(what), contents = given("_contents");
		if (/^_[cb]/.test(what) && contents?.layers) {
			stores.set(contents, store);
			store.fill(contents, given("_bytes"));
			store.views.forEach(view => view(contents.layers));
		} else if (what === "settings" && !same(settings, {...settings, ...news})) set(news);
		else if (what in chosen && !same(chosen[what], news)) choose({[what]: news}, true);
		else redraw();
	}

	function refresh(changed) {
		if (!changed) return redraw();
		exact = {};
		if (changed.length) fillFilm();
		watching.disconnect(); // to be told of all in sight
		frames.forEach(made => watching.observe(made));
		load();
	}

	async function load() {
		const layer = now(), sample = sampleOf(layer), plate = layer.plates[sample], mine = turn = {};
		const isNew = shown?.layer.key !== layer.key, asks = !plate && !layer.reason && alive();
		chosen.layer = layer.key;
		markLayer();
		const picture = plate && await store.picture(plate.id);
		if (turn !== mine) return;
		shown = picture ? {layer, plate, picture, sample} : null;
		missing = layer.reason ? `No picture: ${layer.reason}` : `Sample ${sample} is not here${alive() ? " yet" : ", nor a kernel to ask"}.`;
		hover = null;
		if (isNew) grid.scrollTop = 0;
		arrange(isNew);
		if (!asks) return;
		const {content, buffers} = await kernel.ask({ask: "plate", layer: layer.key, sample});
		const {plate: sent, image, ids, error} = content;
		if (sent) layer.plates[sample] = sent;
		if (image) store.contents.images[sample] = image;
		store.take(ids, buffers);
		missing = error;
		if (turn === mine) (sent ? load : redraw)();
	}

	// -- drawing

	function arrange(shows) {
		tick++;
		if (shown) {
			colours = coloursOf(store, shown, settings);
			sorted = sort(shown.plate);
		}
		redraw(shows);
	}

	function sort({channels, mean, absmean, high, std, zeros, nan, order: alike}) {
		const {topk} = settings, places = [...channels.keys()];
		by = topk && settings.sort === "index" ? "absmean" : settings.sort;
		const ranks = {mean, absmean, max: high, std, sparsity: zeros, similar: alike && channels.map(n => -alike.indexOf(n))}[by];
		if (!ranks) by = "index";
		const rank = i => (nan[i] && by !== "similar" && by !== "sparsity" ? null : ranks[i]) ?? -Infinity;
		if (ranks) places.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) > rank(b) ? -1 : 1));
		return topk ? places.slice(0, topk) : places;
	}

	function redraw(shows) {
		reveals ||= shows;
		frame ??= requestAnimationFrame(() => {
			frame = null;
			if (!grid.clientWidth) { // hidden: to be told when it is seen
				resizing.disconnect();
				return resizing.observe(grid);
			}
			for (const draw of [drawControls, drawGrid, drawChosen, drawPins, drawMark]) draw();
		});
	}

	function drawControls() {
		const layer = now(), calls = layers().filter(({path}) => path === layer.path);
		controls.Call.replaceChildren(...calls.map(({key, path, call}) => new Option(call + key.slice(path.length).replace(/:\d+/, ""), key)));
		controls.Call.disabled = calls.length < 2;
		controls.Sample.max = max(0, layer.samples - 1);
		controls.Sample.disabled = !(layer.samples > 1);
		controls.Sort.lastChild.disabled = !shown?.plate.order;
		const values = {Layer: layer.key, Call: layer.key, Sample: sampleOf(layer), Input: given("input") ?? ""};
		for (const [label, control] of Object.entries(controls)) { // not what is being typed
			const value = values[label] ?? (settings[control.setting] || (control.placeholder ? "" : 0));
			if (control !== document.activeElement || control.type !== "number") control.value = value;
		}
	}

	// Tiles as large as leaves all in sight; where they never are, large enough to be told apart.
	function measured({width, height}) {
		const room = max(40, grid.clientWidth - 12), set = settings.zoom, long = max(width, height);
		const at = by => {
			const zoom = set || min(by, room / width, 640 / height), [wide, tall] = [width, height].map(side => max(set ? 1 : 24, side * zoom));
			const columns = max(1, floor((room + 6) / (wide + 6))), down = tall + (wide < 24 ? 10 : 22);
			return {zoom, wide, tall, columns, down, fits: ceil(sorted.length / columns) * down < grid.clientHeight - 12};
		};
		let by = max(1, min(ceil(48 / min(width, height)), floor(320 / long))), best = at(by), next;
		while (++by < 65 && by * long <= min(256, room) && (next = at(by)).fits) best = next;
		return best;
	}

	function drawGrid() {
		const {key, kind, shape, dtype, device, words = []} = now();
		write(title, joined([key, joined([kind, shape, dtype, device], " "), ...words], " · "));
		best = shown && strongestOf(shown.layer);
		write(bestHere, best ? `strongest: channel ${best.text}` : "");
		write(told, shown ? "" : missing);
		if (shown) drawTiles();
		else spacer.replaceChildren();
	}

	// Only the tiles in sight are there; those that scroll out come in again.
	function drawTiles() {
		const {plate} = shown, at = chosenPlace(), {columns, down, wide, tall} = size = measured(plate);
		const count = (ceil(grid.clientHeight / down) + 2) * columns;
		spacer.style.height = `${ceil(sorted.length / columns) * down}px`;
		style(spacer, {wide: `${wide}px`, tall: `${tall}px`, render: wide < plate.width || tall < plate.height ? "auto" : "pixelated", font: wide < 24 ? 0 : "10px"});
		if (reveals && at >= 0) reveal(grid, floor(at / columns) * down, down + 12);
		reveals = false;
		const first = max(0, floor(grid.scrollTop / down) - 1) * columns;
		while (tiles.length > count) tiles.pop().remove();
		for (let place = first; place < first + count; place++) {
			const i = sorted[place], tile = tiles[place % count] ??= make("div.fm-tile", {role: "option"},
				make("div.fm-pic", {}, make("canvas", hide)), make("span", hide));
			if (i === undefined) tile.remove();
			else drawTile(tile, i, place);
		}
		grid.setAttribute("aria-activedescendant", tiles.find(tile => tile.ariaSelected === "true" && tile.isConnected)?.id ?? "");
	}

	function drawTile(tile, i, place) {
		const {plate} = shown, channel = plate.channels[i], [pic, label] = tile.children, key = `${tick} ${channel}`;
		tile.style.transform = `translate(${place % size.columns * (size.wide + 6)}px, ${floor(place / size.columns) * size.down}px)`;
		tile.ariaSelected = channel === chosen.channel;
		if (!tile.isConnected) spacer.append(tile);
		if (tile.drawn === key) return;
		tile.drawn = key;
		tile.id = `${name}-channel-${channel}`;
		tile.dataset.channel = channel;
		tile.ariaPosInSet = place + 1;
		tile.ariaSetSize = sorted.length;
		tile.ariaLabel = `${channel}: ${describe(plate, i)}`;
		pic.shows = {...shown, channel, i};
		write(label, joined([String(channel), plate.nan[i] && "×", plate.inf[i] && "↑", isConstant(plate, i) && `= ${short(plate.low[i], 2)}`], " "));
		style(tile, {strength: mostOf(plate, i) / (best?.most || 1)});
		paint(pic.firstChild, colours, pic.shows);
	}

	function describe(plate, i) {
		const [low, high, nan, inf] = [plate.low[i], plate.high[i], plate.nan[i], plate.inf[i]];
		const range = low === null ? "no finite value" : isConstant(plate, i) ? `one value: ${short(low)}` : `${short(low)} to ${short(high)}`;
		return joined([range, nan && `${nan} NaN`, inf && `${inf} infinite`]);
	}

	function drawChosen() {
		const {channel} = chosen, i = shown ? shown.plate.channels.indexOf(channel) : -1, isPinned = pins.some(isChosen);
		const room = large.parentNode.clientWidth, key = `${tick} ${channel} ${room}`;
		root.classList.toggle("fm-none", i < 0);
		write(heading, `channel ${channel}`);
		write(pinner, isPinned ? "unpin" : "pin");
		large.shows = i < 0 ? null : {...shown, channel, i};
		if (shown) missing = i < 0 ? `Channel ${channel} is not among the ${shown.plate.channels.length} that are here.` : "";
		if (i < 0 || drawn === key) return;
		drawn = key;
		const {plate, layer} = shown, {width, height, prefix, mean, std, absmean, zeros} = plate;
		const most = room / max(width, height), [wide, tall] = [width, height].map(side => max(40, min(24, floor(most) || most) * side));
		style(large, {ratio: wide / tall, wide: `${wide}px`});
		paint(large.firstChild, colours, large.shows);
		const rows = {range: describe(plate, i), mean: short(mean[i]), std: short(std[i]), "mean |x|": short(absmean[i]), zeros: percent(zeros[i])};
		prefix?.names.forEach((token, n) => {rows[token] = short(prefix.values[i][n]);});
		figures.replaceChildren(...pairs(rows));
		large.firstChild.ariaLabel = `${layer.key}, channel ${channel}: ${rows.range}`;
		drawHistogram(large.shows);
		drawInput(large.shows);
	}

	function drawHistogram({plate, picture, i}) {
		const counts = countsOf(picture, plate, i), lut = lutOf(colours, plate, i), image = new ImageData(LEVELS, 56);
		const bars = new Uint32Array(64);
		counts.forEach((n, code) => {bars[code >> 2] += code < LEVELS && n;});
		const most = max(...bars);
		new Uint32Array(image.data.buffer).forEach((_, at, out) => {
			const code = at % LEVELS, y = floor(at / LEVELS), tall = ceil(sqrt(bars[code >> 2] / most) * 50);
			if (y > 51 || (y < 50 && y >= 50 - tall)) out[at] = lut[y > 51 ? code : CODES.constant];
		});
		put(histogram, image);
		histogram.ariaLabel = `histogram of ${describe(plate, i)}`;
		ends.replaceChildren(...[plate.low[i], plate.high[i]].map(end => make("span", {}, short(end, 3))));
	}

	// The larger the magnitude, the more opaque: 0 is transparent.
	async function drawInput(one) {
		const {layer, plate, sample, i} = one, about = store.contents.images[sample], mine = drawn, {gamma, ranges} = colours;
		inputBox.hidden = !about;
		const photo = about && await store.picture(about.id, data => createImageBitmap(new Blob([data])));
		if (!photo || drawn !== mine) return;
		const canvas = input.firstChild, context = canvas.getContext("2d"), over = make("canvas"), [low, high] = ranges[i];
		[canvas.width, canvas.height] = [photo.width, photo.height];
		style(input, {ratio: photo.width / photo.height});
		context.drawImage(photo, 0, 0);
		drawMark();
		if (!layer.spatial) return;
		const lut = lutOf(colours, plate, i).map((rgba, code) => {
			const part = abs(within(valueOf(plate, i, code), low, high)) / (max(-low, high) || 1);
			return rgba & 0xffffff | 255 * settings.alpha * (code < LEVELS ? part ** gamma : 1) << 24;
		});
		lut[CODES.gap] = lut[CODES.constant] = 0;
		paint(over, colours, one, lut);
		context.imageSmoothingEnabled = false;
		context.drawImage(over, 0, 0, canvas.width, canvas.height);
	}

	// -- pins

	const isChosen = one => one.layer === chosen.layer && one.channel === chosen.channel && one.sample === shown?.sample;

	function pin() {
		const before = pins.find(isChosen), {layer, channel} = chosen, what = `${layer}, channel ${channel}`;
		if (before) return unpin(before);
		if (!large.shows) return;
		const {sample} = shown, pic = pictureBox("", what, () => go(layer, channel)), words = make("span"), made = {layer, channel, sample, pic, words};
		made.element = make("div.featmagic-pin", {"data-channel": channel}, make("div", {}, make("b", {}, `${layer} · ${channel}`),
			button("×", () => unpin(made), `unpin ${what}`)), pic, words);
		pins.push(made);
		pinned.append(made.element);
		redraw();
		if (alive()) kernel.ask({ask: "channel", layer, channel, sample}).then(({content}) => {
			made.exact = content.error ? null : content;
			redraw();
		});
	}

	function unpin(old) {
		old.element.remove();
		pins = pins.filter(one => one !== old);
		redraw();
	}

	async function drawPins() {
		for (const one of pins) {
			const layer = layerOf(one.layer), plate = layer?.plates[one.sample], i = plate ? plate.channels.indexOf(one.channel) : -1;
			if (i < 0) continue;
			const {low, high, mean, std} = one.exact ?? {mean: plate.mean[i], std: plate.std[i]};
			write(one.words, `${one.exact ? `${short(low, 7)} to ${short(high, 7)}` : describe(plate, i)}, mean ${short(mean, 7)}, std ${short(std, 7)}`);
			if (one.tick === tick) continue;
			one.tick = tick;
			const picture = await store.picture(plate.id);
			if (!picture) return;
			one.pic.shows = {...one, layer, plate, picture, i};
			style(one.pic, {ratio: within(plate.width / plate.height, 0.4, 5)});
			paint(one.pic.firstChild, coloursOf(store, one.pic.shows, settings), one.pic.shows);
		}
	}

	// -- the place

	function placeIn(pic, {clientX, clientY}) {
		const {top, left, width, height} = pic.firstChild.getBoundingClientRect(), parts = [(clientY - top) / height, (clientX - left) / width];
		return pic.shows.plate.full.map((side, axis) => within(floor(parts[axis] * side), 0, side - 1));
	}

	function point(event) {
		const pic = event.type === "pointermove" && event.target.closest(".fm-pic");
		if (!pic?.shows && !hover) return;
		hover = pic?.shows ? {...pic.shows, position: placeIn(pic, event)} : null;
		status.ariaLive = "off"; // no screen reader is told of each step
		marking ??= requestAnimationFrame(drawMark);
	}

	const reading = () => hover ?? (large.shows && {...large.shows, position: chosen.position});

	// One write on the root moves the mark in all tiles.
	function drawMark() {
		const read = reading(), at = read?.position, full = read?.plate.full;
		marking = null;
		if (!hover) status.ariaLive = "polite";
		root.classList.toggle("fm-marked", Boolean(at));
		if (at) style(root, {x: at[1] / full[1], y: at[0] / full[0], w: 1 / full[1], h: 1 / full[0]});
		if (shown) drawField(at?.map((n, axis) => floor(n / full[axis] * shown.plate.full[axis])));
		say(read);
		wonder(read);
	}

	function drawField(at) {
		const {layer: {field: known, spatial}, plate: {full}, sample} = shown, image = store.contents.images[sample];
		if (!image) return;
		field.hidden = !at || !spatial;
		write(inputWords, joined([!spatial ? "not over the input" : known ? `receptive field ${known[0]} × ${known[1]}` : "by proportion: no field known", image.words],
			" · "));
		at?.forEach((n, axis) => {
			const [from, long, whole] = known ? [known[4 + axis] + n * known[2 + axis], known[axis], image.full[axis]] : [n, 1, full[axis]];
			style(field, {[`from${axis}`]: from / whole, [`long${axis}`]: long / whole});
		});
	}

	const nameOf = ({layer, sample, channel, position}) => `${layer.key}/${sample}/${channel}/${position}`;

	// Asked once the pointer rests.
	function wonder(read) {
		clearTimeout(waiting);
		if (alive() && read?.position && exact.name !== nameOf(read)) waiting = setTimeout(async () => {
			const {layer, channel, sample, position} = read;
			const {content} = await kernel.ask({ask: "value", layer: layer.key, channel, sample, position});
			if (!("value" in content)) return;
			exact = {name: nameOf(read), value: Number(String(content.value).replace("inf", "Infinity"))};
			drawMark();
		}, 100);
	}

	function indexOf({reach: {shape: sides, steps}}, channel, [y, x]) {
		let rest = steps[0] + channel * steps[1] + y * steps[2] + x * steps[3];
		return sides.toReversed().map(side => [rest % side, rest = floor(rest / side)][0]).reverse();
	}

	function valueAt(read) {
		const {layer, plate, picture: {pixels}, channel, i, position} = read, {shrink} = plate;
		const known = exact.name === nameOf(read), where = plate.reach && (known || shrink === 1)
			? `${layer.key}[${indexOf(plate, channel, position).join(", ")}]`
			: `${layer.key}, channel ${channel}, row ${position[0]}, column ${position[1]}`;
		if (known) return `${where} = ${short(exact.value, 7)}`;
		const [y, x] = position.map(n => floor(n / shrink)), code = pixels[(i * plate.height + y) * plate.width + x];
		if (code >= LEVELS) return where + ({[CODES.nan]: " = NaN", [CODES["+inf"]]: " = inf", [CODES["-inf"]]: " = -inf"}[code] ?? ": nothing is there");
		const half = (plate.high[i] - plate.low[i]) / (2 * LAST), about = valueOf(plate, i, code);
		const digits = 2 + floor(log10(abs(about) || half)) - floor(log10(half)), mean = shrink > 1 ? `, a mean of ${shrink} × ${shrink}` : "";
		return `${where} = ${half ? `${short(about, digits)} ± ${short(half, 2)} (half a step)` : short(about)}${mean}`;
	}

	function say(read) {
		const {contents: {words = [], inputs}, news} = store, {robust, gamma, zoom, alpha} = settings;
		const {samples, call, calls, of, noun, spatial} = now(), all = shown?.plate.channels.length, some = sorted.length;
		write(value, !read ? missing : read.position ? valueAt(read)
			: `${read.layer.key}, channel ${read.channel}: ${describe(read.plate, read.i)}`);
		write(says, joined([note, news, read && missing, ...(shown ? [
			`sample ${shown.sample} of ${samples}`, calls > 1 && `call ${call} of ${calls}`, inputs > 0 && `input ${given("input") ?? "as it was"}`,
			colours.name + (colours.centred ? " around 0" : ""),
			colours.own ? "each channel its own range" : `one range: ${colours.ranges[0].map(end => short(end, 3)).join(" to ")}`,
			robust ? `${robust} % left out at each end` : "no value left out", `gamma ${gamma}`,
			`by ${by}, ${some < all ? `first ${some} of ${of}` : all < of ? `${all} of ${of}` : `all ${all}`} ${noun}`,
			`zoom × ${short(size.zoom, 2)}${zoom ? "" : " (auto)"}`, spatial && `opacity ${alpha}`,
		] : []), ...words], " · "));
	}

	// -- keys

	function press(event) {
		event.stopPropagation(); // a notebook has keys too
		const {key, target, shiftKey: shift} = event, {tagName} = target;
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[key];
		const act = {
			"[": () => stepLayer(-1), "]": () => stepLayer(1), "+": () => zoom(1), "-": () => zoom(-1),
			"/": () => finder.select(), Enter: pin, c: copy, "?": toggleKeys,
		}[key.replace("=", "+")];
		if (key === "Escape") escape();
		else if (target === finder && key === "Enter") {
			go(inFilm[0]?.key);
			film.focus();
		} else if (/INPUT|SELECT/.test(tagName) || (tagName === "BUTTON" && /^(Enter| )$/.test(key))) return;
		else if (step && shift && large.shows) {
			const {full, shrink} = shown.plate, at = chosen.position ?? full.map(side => side >> 1);
			choose({position: at.map((n, axis) => within(n + step[axis] * shrink, 0, full[axis] - 1))}, true);
		}
		else if (step && target === film) stepLayer(step[0] + step[1]);
		else if (step) move(step[1] + step[0] * size.columns);
		else if (act) act();
		else return;
		event.preventDefault();
	}

	const zoom = by => size && set({zoom: within(round(size.zoom) + by, 1, 64)});
	const stepLayer = by => go(inFilm[within(inFilm.findIndex(({key}) => key === chosen.layer) + by, 0, inFilm.length - 1)]?.key);

	function move(by) {
		if (shown) choose({channel: shown.plate.channels[sorted[within(chosenPlace() + by, 0, sorted.length - 1)]]}, true);
	}

	function toggleKeys() {
		keys[keys.open ? "close" : "showModal"]();
	}

	function escape() {
		if (keys.open) toggleKeys();
		else if (finder.value) film.focus();
		else choose({position: null});
		finder.value = "";
		orderFilm();
	}

	// What all of the plane shares.
	function codeOf() {
		const {channel} = chosen, plate = now().plates[sampleOf(now())], code = `${store.contents.maps}[${now().code}]`;
		if (!plate?.reach) return code;
		const [first, last] = [[0, 0], plate.full.map(side => side - 1)].map(place => indexOf(plate, channel, place));
		const steps = first.map((n, axis) => (n !== last[axis] ? `${n || ""}:` : n));
		while (steps.at(-1) === ":") steps.pop();
		return steps.length ? `${code}[${steps.join(", ")}]` : code;
	}

	async function copy() {
		const code = codeOf(), before = document.activeElement;
		try {
			await navigator.clipboard.writeText(code);
		} catch { // not in every frame
			const area = make("textarea", {}, code);
			root.append(area);
			area.select();
			document.execCommand("copy");
			area.remove();
			before?.focus();
		}
		note = `copied ${code}`;
		redraw();
	}

	element.append(root);
	store.views.add(refresh);
	const unfollow = kernel?.on?.(follow);
	resizing.observe(grid);
	fillFilm();
	refresh([]);

	return () => {
		stopped = turn = drawn = true;
		store.views.delete(refresh);
		unfollow?.();
		resizing.disconnect();
		watching.disconnect();
		clearTimeout(waiting);
		root.remove();
	};
}

// -- doors

// Builds the explorer inside `element`; what comes back takes it down.
export const mount = (element, contents, bytes, kernel = null) => explore(element, new Store(contents, bytes), kernel);

// By its contents: anywidget hands each view of a widget another model.
const stores = new WeakMap();
function storeOf(model) {
	const contents = model.get("_contents");
	if (!stores.has(contents)) stores.set(contents, new Store(contents, model.get("_bytes")));
	return stores.get(contents);
}

let number = floor(Math.random() * 2 ** 30);
function kernelOf(model) {
	const answers = new Map();
	return {
		get: name => model.get(name),
		set(name, value) {
			model.set(name, value);
			model.save_changes();
		},
		ask: message => new Promise(resolve => {
			answers.set(++number, resolve);
			try {model.send({...message, id: number})} catch {}
		}),
		on(listener) {
			const listeners = "layer channel sample position input settings _contents _bytes _alive".split(" ").map(name => [`change:${name}`, () => listener(name)]);
			listeners.push(["msg:custom", (content, buffers) => {
				answers.get(content.answer)?.({content, buffers});
				answers.delete(content.answer);
			}]);
			for (const [name, hear] of listeners) model.on(name, hear);
			return () => listeners.forEach(([name, hear]) => model.off(name, hear));
		},
	};
}

export default {
	initialize({model}) {
		model.on("msg:custom", (content, buffers) => storeOf(model).hear(content, buffers));
		model.send({ask: "here"});
	},
	render: ({model, el}) => (model.get("_contents")?.layers ? explore(el, storeOf(model), kernelOf(model)) : undefined),
};
