// The explorer: an anywidget, and what a saved page mounts. Written by hand; needs nothing else.
// A layer is one grey PNG and a range for each channel: colours, order, zoom and values are made here.

const LEVELS = 248; // codes of values; those above mean something else, as in palette.py
const CONSTANT = 250, NAN = 251, POSITIVE = 252, NEGATIVE = 253;
const KEPT = 96 * 2 ** 20; // bytes of unpacked plates at most
const STRANGE = { [NAN]: NaN, [POSITIVE]: Infinity, [NEGATIVE]: -Infinity };
const KEYS = [
  ["[ ]", "layer before, after"], ["arrows", "channel beside, above, below"],
  ["Shift + arrows", "move the place that is read"], ["Home End", "first, last channel"],
  ["+ -", "zoom"], ["/", "find a layer by name"], ["Enter", "pin the channel, or unpin it"],
  ["c", "copy the code that reaches the channel"], ["?", "these keys"], ["Escape", "close; let go of the place"],
];

// Text only ever becomes text: names come from the model.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const short = (value, digits = 4) => (value === null || value === undefined ? "none"
  : Number.isNaN(value) ? "NaN" : Math.abs(value) === Infinity ? (value < 0 ? "-inf" : "inf")
  : String(Number(value.toPrecision(within(digits, 1, 17)))));
const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const asBytes = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data)
  : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

// ---- pictures ----------------------------------------------------------------------------------

// By hand: a canvas that is read back may hold a privacy setting's noise.
async function decoded(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength), parts = [];
  let width = 0, height = 0, depth = 1;
  for (let at = 8; at < png.length; at += 12 + view.getUint32(at)) {
    const kind = view.getUint32(at + 4);
    if (kind === 0x49484452) { // IHDR
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      depth = png[at + 17] === 2 ? 3 : 1;
    } else if (kind === 0x49444154) parts.push(png.subarray(at + 8, at + 8 + view.getUint32(at))); // IDAT
  }
  const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const lines = new Uint8Array(await new Response(inflated).arrayBuffer());
  return { width, height, pixels: unfiltered(lines, width * depth, height, depth), counts: null };
}

function unfiltered(lines, wide, height, depth) {
  const pixels = new Uint8Array(wide * height);
  for (let y = 0; y < height; y++) {
    const from = y * (wide + 1) + 1, to = y * wide, filter = lines[from - 1];
    pixels.set(lines.subarray(from, from + wide), to);
    if (filter === 1) for (let x = to + depth; x < to + wide; x++) pixels[x] += pixels[x - depth];
    else if (filter === 2 && y) for (let x = to; x < to + wide; x++) pixels[x] += pixels[x - wide];
    else if (filter > 2) throw new Error(`A PNG's line filter ${filter} is not known here.`);
  }
  return pixels;
}

// How often each code occurs in plane i; the picture keeps it.
function countsOf(picture, plate, i) {
  picture.counts ??= [];
  if (!picture.counts[i]) {
    const counts = new Uint32Array(256), size = plate.width * plate.height;
    for (let at = i * size; at < (i + 1) * size; at++) counts[picture.pixels[at]]++;
    picture.counts[i] = counts;
  }
  return picture.counts[i];
}

// The codes that leave so much of the values outside at each end.
function innerCodes(counts, robust) {
  let all = 0, low = 0, high = LEVELS - 1;
  for (let code = 0; code < LEVELS; code++) all += counts[code];
  const outside = (all - 1) * robust / 100;
  for (let seen = counts[low]; low < high && seen <= outside; seen += counts[low]) low++;
  for (let seen = counts[high]; high > low && seen <= outside; seen += counts[high]) high--;
  return [low, high];
}

const isNumber = (value) => value !== null && value !== undefined;
const isSingle = (plate) => plate.full[0] * plate.full[1] === 1;
const isConstant = (plate, i) => !isSingle(plate) && isNumber(plate.low[i]) && plate.low[i] === plate.high[i]
  && !plate.nan[i] && !plate.inf[i];
const mostOf = (plate, i) => Math.max(Math.abs(plate.low[i] ?? 0), Math.abs(plate.high[i] ?? 0));

// Colours of a layer, by the rules of colour.py: RdBu_r around 0 for both signs, else viridis.
function coloursOf(store, layer, plate, picture, settings) {
  const low = plate.low.map((value) => value ?? 0), high = plate.high.map((value) => value ?? 0);
  if (settings.robust > 0) {
    plate.channels.forEach((_, i) => {
      const step = (high[i] - low[i]) / (LEVELS - 1), start = low[i];
      const [first, last] = innerCodes(countsOf(picture, plate, i), settings.robust);
      [low[i], high[i]] = [start + first * step, last === LEVELS - 1 ? high[i] : start + last * step];
    });
  }
  const own = settings.scale === "channel" && !isSingle(plate);
  if (!own) {
    const some = plate.channels.map((_, i) => i).filter((i) => isNumber(plate.low[i]));
    low.fill(some.reduce((least, i) => Math.min(least, low[i]), some.length ? Infinity : 0));
    high.fill(some.reduce((most, i) => Math.max(most, high[i]), some.length ? -Infinity : 0));
  }
  const least = low.reduce((a, b) => Math.min(a, b), 0), most = high.reduce((a, b) => Math.max(a, b), 0);
  const around = layer.signed || (least < 0 && most > 0);
  const cmap = settings.cmap !== "auto" && store.contents.cmaps[settings.cmap] ? settings.cmap
    : around && store.contents.cmaps.RdBu_r ? "RdBu_r" : "viridis";
  const centred = around && store.contents.diverging.includes(cmap);
  if (centred) low.forEach((_, i) => { high[i] = Math.max(-low[i], high[i]); low[i] = -high[i]; });
  const gamma = settings.gamma || 1;
  // Where a value of plane i stands in its range, 0 to 1, bent by gamma.
  const place = (i, value) => {
    const t = high[i] > low[i] ? within((value - low[i]) / (high[i] - low[i]), 0, 1) : 0;
    if (gamma === 1) return t;
    return centred ? (1 + Math.sign(t - 0.5) * Math.abs(2 * t - 1) ** gamma) / 2 : t ** gamma;
  };
  return { cmap, centred, own, low, high, gamma, place, table: store.table(cmap), lut: new Uint32Array(256) };
}

function valueOf(plate, i, code) {
  return (plate.low[i] ?? 0) + code / (LEVELS - 1) * ((plate.high[i] ?? 0) - (plate.low[i] ?? 0));
}

// Code -> RGBA for one plane. The table is written over by the next plane.
function lutOf(colours, plate, i) {
  const { lut, table, place } = colours;
  for (let code = 0; code < LEVELS; code++) {
    lut[code] = table[Math.round(place(i, valueOf(plate, i, code)) * (LEVELS - 1))];
  }
  lut.set(table.subarray(LEVELS), LEVELS);
  return lut;
}

// The plane in `image`, one pixel a value. One value is framed and hatched: it has no range.
function paint(image, colours, plate, picture, i) {
  const out = new Uint32Array(image.data.buffer), lut = lutOf(colours, plate, i);
  const { width, height } = plate, codes = picture.pixels, start = i * width * height;
  for (let at = 0; at < out.length; at++) out[at] = lut[codes[start + at]];
  if (!isConstant(plate, i)) return image;
  const framed = Math.min(width, height) > 4, gap = lut[LEVELS], mark = lut[CONSTANT];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const edge = framed && (!x || !y || x === width - 1 || y === height - 1), line = (x + y) % 3;
      if (edge || line === 0) out[at] = mark;
      else if (colours.own || line === 1) out[at] = gap;
    }
  }
  return image;
}

function show(canvas, image) {
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// ---- what views of the same contents share -----------------------------------------------------

class Store {
  constructor(contents, bytes) {
    this.views = new Set();
    this.waiting = new Map(); // answers to come, by number
    this.heard = new WeakSet(); // each view passes a message on; once is enough
    this.number = Math.floor(Math.random() * 2 ** 30); // stores of one widget don't share numbers
    this.busy = false;
    this.fill(contents, bytes);
  }

  fill(contents, bytes) {
    this.contents = contents;
    this.bytes = new Map(bytes instanceof Map ? bytes : Object.entries(bytes ?? {}));
    this.pictures = new Map(); // unpacked, the one used longest ago first
    this.tables = new Map();
    this.exact = new Map();
  }

  table(cmap) {
    if (!this.tables.has(cmap)) {
      const rgb = atob(this.contents.cmaps[cmap]), special = this.contents.special;
      const packed = (r, g, b) => (r | (g << 8) | (b << 16) | (255 << 24)) >>> 0;
      const table = new Uint32Array(256).fill(packed(...special.gap));
      for (let i = 0; i < LEVELS; i++) table[i] = packed(...[0, 1, 2].map((j) => rgb.charCodeAt(3 * i + j)));
      const others = { [CONSTANT]: "constant", [NAN]: "nan", [POSITIVE]: "+inf", [NEGATIVE]: "-inf" };
      for (const [code, name] of Object.entries(others)) table[code] = packed(...special[name]);
      this.tables.set(cmap, table);
    }
    return this.tables.get(cmap);
  }

  // A picture, unpacked when it is first looked at; those looked at last are kept.
  picture(id) {
    const kept = this.pictures.get(id) ?? { size: 0 };
    this.pictures.delete(id);
    this.pictures.set(id, kept);
    kept.promise ??= this.unpack(id, kept);
    return kept.promise;
  }

  async unpack(id, kept) {
    const data = this.bytes.get(id);
    if (!data) throw new Error(`The picture ${id} is not here.`);
    kept.value = await decoded(asBytes(data));
    kept.size = kept.value.pixels.length;
    let all = 0;
    for (const other of this.pictures.values()) all += other.size;
    for (const [old, other] of this.pictures) {
      if (all <= KEPT) break;
      if (old !== id && other.size) {
        all -= other.size;
        this.pictures.delete(old);
      }
    }
    return kept.value;
  }

  ask(send, message) {
    const id = this.number++;
    return new Promise((resolve) => { // one that is never answered is never missed
      this.waiting.set(id, resolve);
      if (this.waiting.size > 99) this.waiting.delete(this.waiting.keys().next().value);
      send({ ...message, id });
    });
  }

  hear(content, buffers = []) {
    if (!content || typeof content !== "object" || this.heard.has(content)) return;
    this.heard.add(content);
    if ("answer" in content) {
      this.waiting.get(content.answer)?.({ content, buffers });
      this.waiting.delete(content.answer);
    }
    if ("busy" in content) this.busy = Boolean(content.busy);
    if (content.changed) this.change(content, buffers);
    for (const view of this.views) view(content.changed ? "changed" : "busy");
  }

  change({ changed, images, ids }, buffers) {
    const fields = new Map(changed.map((layer) => [layer.key, layer]));
    const layers = this.contents.layers.map((layer) => ({ ...layer, ...fields.get(layer.key) }));
    this.contents = { ...this.contents, layers, images: images ?? this.contents.images };
    this.exact.clear();
    this.take(ids, buffers);
  }

  take(ids, buffers) {
    (ids ?? []).forEach((id, i) => {
      this.bytes.set(id, asBytes(buffers[i]));
      this.pictures.delete(id);
    });
  }
}

// ---- one view ----------------------------------------------------------------------------------

class Explorer {
  constructor(element, store, kernel) {
    Object.assign(this, { element, store, kernel });
    this.stopping = new AbortController();
    this.name = `featmagic-${Math.random().toString(36).slice(2)}`; // ids: other explorers are on the page
    this.pins = [];
    this.tiles = new Map();
    this.spare = [];
    this.shown = null; // {layer, plate, picture, sample}: what the grid has, once it is unpacked
    this.hover = this.note = null;
    this.tick = 0; // a redraw is due for tiles drawn before it
    this.start();
    this.build();
    this.fillFilm();
    this.follow();
    this.load();
  }

  start() {
    const { start, settings } = this.store.contents, given = (name) => this.kernel?.get(name);
    this.settings = { ...settings, ...given("settings") };
    this.key = given("layer") || start.layer;
    if (!this.layer) this.key = this.layers[0]?.key;
    this.channel = given("channel") ?? start.channel ?? 0;
    this.sample = given("sample") ?? start.sample ?? 0;
    this.position = given("position") ?? null;
  }

  get layers() { return this.store.contents.layers; }
  get layer() { return this.layers.find((layer) => layer.key === this.key); }
  get alive() { return Boolean(this.kernel) && this.kernel.get("_alive") !== false; }

  on(target, types, listener) {
    for (const type of types.split(" ")) target.addEventListener(type, listener, { signal: this.stopping.signal });
  }

  button(text, act, attributes = {}) {
    const button = make("button", { type: "button", ...attributes }, text);
    this.on(button, "click", act);
    return button;
  }

  // ---- elements

  build() {
    const root = make("section", {
      class: "featmagic-explorer", "aria-label": "Explorer of feature maps", tabindex: -1,
      "data-lm-suppress-shortcuts": "true", // JupyterLab's keys: they are looked up before ours
    });
    this.root = root;
    this.values = make("span", { class: "fm-value" });
    this.says = make("span", { class: "fm-says" });
    this.status = make("div", { role: "status", class: "fm-status", "aria-live": "polite" }, this.values, this.says);
    this.pinned = make("div", { class: "fm-pins", role: "group", "aria-label": "Pinned channels" });
    root.append(
      this.buildControls(),
      make("div", { class: "fm-main" }, this.buildFilm(), this.buildGrid(), this.buildSide()),
      this.pinned, this.status, this.buildKeys(),
    );
    this.element.append(root);
    this.on(root, "keydown", (event) => this.press(event));
    this.on(root, "keyup keypress copy paste cut", (event) => event.stopPropagation());
    this.on(root, "pointermove", (event) => this.point(event));
    this.on(root, "pointerleave", () => this.leave());
    this.resizing = new ResizeObserver(() => this.redraw());
    this.resizing.observe(this.grid);
  }

  buildControls() {
    const c = {}, names = Object.keys(this.store.contents.cmaps);
    const select = (name, options, act) => {
      c[name] = make("select", {}, ...options.map((o) => make("option", { value: o }, o)));
      this.on(c[name], "change", () => act(c[name].value));
    };
    const number = (name, low, high, step, act) => {
      c[name] = make("input", { type: "number", min: low, max: high, step });
      this.on(c[name], "input", () => {
        const value = Number(c[name].value);
        if (c[name].value !== "" && value >= low) act(Math.min(value, Number(c[name].max)));
      });
    };
    const setting = (name) => (value) => this.set({ [name]: value });
    select("Layer", this.layers.map((layer) => layer.key), (key) => this.go(key));
    number("Sample", 0, 0, 1, (sample) => this.choose({ sample: Math.round(sample) }));
    select("Call", [], (value) => this.go(value));
    number("Input", 0, Math.max(0, this.store.contents.inputs - 1), 1, (n) => this.tell("input", Math.round(n)));
    select("Colours", ["auto", ...names], setting("cmap"));
    select("Scale", ["channel", "layer"], setting("scale"));
    number("Robust", 0, 49, 0.5, setting("robust"));
    number("Gamma", 0.1, 5, 0.1, setting("gamma"));
    select("Sort", ["index", "mean", "absmean", "max", "std", "sparsity", "similar"], setting("sort"));
    number("Top", 0, 1e6, 1, (n) => this.set({ topk: Math.round(n) }));
    number("Zoom", 0, 64, 1, (n) => this.set({ zoom: Math.round(n) }));
    c.Opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05 });
    this.on(c.Opacity, "input", () => this.set({ alpha: Number(c.Opacity.value) }));
    const hints = {
      Robust: "percent of the values left out at each end of the range", Gamma: "below 1 shows weak values",
      Top: "so many channels; 0 is all", Zoom: "pixels to a value; 0 is by the room there is",
      Scale: "who shares a range of colours", Input: "the model runs again on it",
    };
    this.labels = {};
    for (const [name, control] of Object.entries(c)) {
      this.labels[name] = make("label", { title: hints[name] ?? "", "data-control": name }, make("span", {}, name), control);
    }
    this.labels.Input.hidden = !this.store.contents.inputs;
    this.controls = c;
    const { Opacity, ...above } = this.labels;
    return make("div", { class: "fm-controls", role: "group", "aria-label": "Display" },
      ...Object.values(above), this.button("?", () => this.toggleKeys(), { class: "fm-help", "aria-label": "Keys" }));
  }

  buildFilm() {
    this.finder = make("input", { type: "search", placeholder: "find by name  /", "aria-label": "Find" });
    this.order = make("select", { "aria-label": "Film order" },
      make("option", { value: "run" }, "as run"), make("option", { value: "dead" }, "most dead first"));
    this.film = make("div", { class: "fm-film", role: "listbox", "aria-label": "Layers", tabindex: 0 });
    this.deadest = this.button("", () => this.go(this.deadestLayer().key));
    this.strongest = this.button("", () => this.go(this.strong.layer.key, this.strong.channel));
    this.on(this.finder, "input", () => this.orderFilm());
    this.on(this.order, "change", () => this.orderFilm());
    this.on(this.film, "click", (event) => {
      const option = event.target.closest("[data-layer]");
      if (option) this.go(option.dataset.layer);
    });
    this.watching = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.drawThumb(entry.target.dataset.layer);
    }, { root: this.film, rootMargin: "200px" });
    return make("div", { class: "fm-left" }, make("div", { class: "fm-shortcuts" }, this.deadest, this.strongest),
      make("div", { class: "fm-finding" }, this.finder, this.order), this.film);
  }

  buildGrid() {
    this.title = make("div", { class: "fm-title" });
    this.best = this.button("", () => this.choose({ channel: this.best.channel }, true), { class: "fm-best" });
    this.spacer = make("div", { class: "fm-spacer", role: "presentation" });
    this.grid = make("div", { class: "fm-grid", role: "listbox", "aria-label": "Channels", tabindex: 0 }, this.spacer);
    this.on(this.grid, "scroll", () => this.redraw());
    this.on(this.grid, "click", (event) => {
      const tile = event.target.closest("[data-channel]");
      if (tile) this.choose({ channel: Number(tile.dataset.channel), position: this.placeIn(tile.pic, event) });
    });
    return make("div", { class: "fm-middle" }, make("div", { class: "fm-head" }, this.title, this.best), this.grid);
  }

  buildSide() {
    const picture = (canvas) => make("div", { class: "fm-pic" }, canvas);
    this.large = make("canvas", { class: "featmagic-large", role: "img" });
    this.largePic = picture(this.large);
    this.heading = make("strong");
    this.pinner = this.button("pin", () => this.pin());
    this.histogram = make("canvas", { class: "featmagic-histogram", role: "img", width: LEVELS, height: 56 });
    this.ends = make("div", { class: "fm-ends" });
    this.figures = make("dl");
    this.input = make("canvas", { class: "featmagic-input", role: "img", "aria-label": "input with the channel on it" });
    this.field = make("div", { class: "featmagic-field" });
    this.inputPic = picture(this.input);
    this.inputPic.append(this.field);
    this.inputWords = make("div", { class: "fm-words" });
    this.inputBox = make("div", { class: "fm-input" }, this.inputPic, this.inputWords, this.labels.Opacity);
    this.on(this.largePic, "click", (event) => this.choose({ position: this.placeIn(this.largePic, event) }));
    this.on(this.inputPic, "click", (event) => this.choose({ position: this.placeFromInput(event) }));
    return make("div", { class: "fm-right" },
      make("div", { class: "fm-chosen" }, make("div", { class: "fm-head" }, this.heading, this.pinner,
        this.button("copy code", () => this.copy())), this.largePic),
      make("div", { class: "fm-measured" }, this.histogram, this.ends, this.figures), this.inputBox);
  }

  buildKeys() {
    const list = make("dl");
    for (const [key, act] of KEYS) list.append(make("dt", {}, key), make("dd", {}, act));
    this.keys = make("div", { class: "fm-keys", role: "dialog", "aria-label": "Keys", tabindex: -1 },
      list, this.button("close", () => this.toggleKeys()));
    this.keys.hidden = true;
    return this.keys;
  }

  // ---- the film

  deadestLayer() {
    const share = (layer) => layer.dead / this.planesOf(layer);
    return this.layers.reduce((most, layer) => (share(layer) > (most ? share(most) : 0) ? layer : most), null);
  }

  planesOf(layer) {
    return Object.values(layer.plates)[0]?.channels.length || layer.of || 1;
  }

  strongestOf(layer) {
    const plate = layer.plates[this.sampleOf(layer)] ?? Object.values(layer.plates)[0];
    if (!plate?.channels.length) return null;
    const i = plate.channels.reduce((best, _, at) => (mostOf(plate, at) > mostOf(plate, best) ? at : best), 0);
    const end = mostOf(plate, i) === plate.high[i] ? `max ${short(plate.high[i], 3)}` : `min ${short(plate.low[i], 3)}`;
    return { layer, channel: plate.channels[i], most: mostOf(plate, i), end };
  }

  fillFilm() {
    this.watching.disconnect();
    this.frames = new Map();
    this.layers.forEach((layer, i) => {
      const share = layer.dead / this.planesOf(layer), all = this.planesOf(layer);
      const dead = make("span", { class: "fm-dead" }, layer.reason ? "no picture"
        : layer.dead ? `${layer.dead} of ${all} dead, ${percent(share)}` : "none dead");
      const bar = make("span", { class: "fm-bar", "aria-hidden": "true" }, make("i"));
      bar.firstChild.style.width = `${share * 100}%`;
      const alarm = [layer.nan && `× NaN ${layer.nan}`, layer.inf && `↑ inf ${layer.inf}`].filter(Boolean).join("  ");
      const frame = make("div", { role: "option", id: `${this.name}-layer-${i}`, "data-layer": layer.key, "aria-selected": "false" },
        make("canvas", { width: 48, height: 48, "aria-hidden": "true" }),
        make("div", {}, make("b", {}, layer.key), make("span", {}, `${layer.kind} ${layer.shape}`), dead, bar));
      if (alarm) frame.lastChild.append(make("em", {}, alarm));
      this.frames.set(layer.key, frame);
    });
    this.orderFilm();
    for (const frame of this.frames.values()) this.watching.observe(frame);
    this.sayShortcuts();
  }

  orderFilm() {
    const sought = this.finder.value.trim().toLowerCase();
    let layers = [...this.layers];
    if (this.order.value === "dead") layers.sort((a, b) => b.dead / this.planesOf(b) - a.dead / this.planesOf(a));
    this.inFilm = layers.filter((layer) => layer.key.toLowerCase().includes(sought));
    const none = make("p", {}, `No layer's name has “${this.finder.value}” in it.`);
    this.film.replaceChildren(...(this.inFilm.length ? this.inFilm.map((layer) => this.frames.get(layer.key)) : [none]));
    this.markLayer();
  }

  sayShortcuts() {
    const dead = this.deadestLayer();
    write(this.deadest, dead ? `deadest layer: ${dead.key}, ${percent(dead.dead / this.planesOf(dead))} of ${dead.noun} dead` : "no layer has dead channels");
    this.deadest.disabled = !dead;
    this.strong = this.layers.map((layer) => this.strongestOf(layer)).reduce((a, b) => (b && b.most > (a?.most ?? -1) ? b : a), null);
    this.strongest.hidden = !this.strong;
    if (this.strong) write(this.strongest, `strongest channel: ${this.strong.layer.key}, ${this.strong.channel} (${this.strong.end})`);
  }

  // A few channels, evenly spaced, in the layer's usual colours.
  async drawThumb(key) {
    const frame = this.frames.get(key), layer = this.layers.find((one) => one.key === key);
    const plate = layer && Object.values(layer.plates)[0];
    if (!frame || !plate || frame.drawn === plate) return;
    frame.drawn = plate;
    const picture = await this.store.picture(plate.id).catch(() => null);
    if (!picture || this.stopping.signal.aborted) return;
    const colours = coloursOf(this.store, layer, plate, picture, { cmap: "auto", scale: "channel", robust: 0, gamma: 1 });
    const side = plate.channels.length >= 16 ? 4 : plate.channels.length >= 4 ? 2 : 1, tile = 48 / side;
    const image = new ImageData(48, 48), out = new Uint32Array(image.data.buffer);
    for (let n = 0; n < side * side; n++) {
      const i = Math.floor(n * plate.channels.length / (side * side)), lut = lutOf(colours, plate, i);
      const left = (n % side) * tile, top = Math.floor(n / side) * tile, dark = isConstant(plate, i) && lut[LEVELS];
      for (let y = 0; y < tile - 1; y++) {
        const row = (i * plate.height + Math.floor(y * plate.height / (tile - 1))) * plate.width;
        for (let x = 0; x < tile - 1; x++) {
          out[(top + y) * 48 + left + x] = dark || lut[picture.pixels[row + Math.floor(x * plate.width / (tile - 1))]];
        }
      }
    }
    show(frame.firstChild, image);
  }

  markLayer() {
    for (const [key, frame] of this.frames) {
      const chosen = key === this.key;
      if ((frame.getAttribute("aria-selected") === "true") !== chosen) frame.setAttribute("aria-selected", String(chosen));
    }
    const frame = this.frames.get(this.key);
    if (!frame?.isConnected) return this.film.removeAttribute("aria-activedescendant");
    this.film.setAttribute("aria-activedescendant", frame.id);
    this.reveal(this.film, frame.offsetTop, frame.offsetHeight, frame.offsetLeft, frame.offsetWidth);
  }

  // By hand: scrollIntoView would move the notebook too.
  reveal(box, top, height, left = 0, width = 0) {
    box.scrollTop = within(box.scrollTop, top + height - box.clientHeight, top);
    if (width) box.scrollLeft = within(box.scrollLeft, left + width - box.clientWidth, left);
  }

  // ---- what is chosen

  tell(name, value) {
    if (this.kernel && !same(this.kernel.get(name), value)) this.kernel.set(name, value);
  }

  set(settings) {
    this.settings = { ...this.settings, ...settings };
    this.tell("settings", this.settings);
    this.arrange();
  }

  go(key, channel = null) {
    if (!this.layers.some((layer) => layer.key === key)) return;
    const before = this.layer?.path;
    this.key = key;
    const plate = this.layer.plates[this.sampleOf(this.layer)] ?? Object.values(this.layer.plates)[0];
    const wanted = channel ?? this.channel;
    this.channel = !plate || plate.channels.includes(wanted) ? wanted : plate.channels[0] ?? 0;
    if (this.position && (before !== this.layer.path)) this.position = null;
    this.hover = this.note = null;
    this.tell("layer", key);
    this.tell("channel", this.channel);
    this.tell("position", this.position);
    this.load();
  }

  choose(chosen, reveals = false) {
    const sample = this.sample;
    Object.assign(this, chosen);
    this.note = null;
    for (const name of Object.keys(chosen)) this.tell(name, this[name]);
    if (this.sample !== sample) this.load();
    else this.redraw(reveals);
    this.wonder();
  }

  follow() {
    const from = { layer: "key", channel: "channel", sample: "sample", position: "position" };
    const hear = (name, content, buffers) => {
      if (name === "message") return this.store.hear(content, buffers);
      if (name === "_contents" || name === "_bytes") {
        this.store.fill(this.kernel.get("_contents"), this.kernel.get("_bytes"));
        for (const view of this.store.views) view("changed");
      }
      const given = this.kernel.get(name), field = from[name];
      if (name === "settings" && !same({ ...this.settings, ...given }, this.settings)) {
        this.settings = { ...this.settings, ...given };
        this.arrange();
      } else if (field && !same(this[field], given)) {
        this[field] = given;
        this.hover = null;
        if (name === "layer" || name === "sample") this.load();
        else this.redraw(name === "channel");
        this.wonder();
      } else this.redraw();
    };
    this.unfollow = this.kernel?.on?.(hear);
    this.view = (what) => {
      if (what === "changed") {
        if (!this.layer) this.key = this.layers[0]?.key;
        this.fillFilm();
        this.load();
      } else this.redraw();
    };
    this.store.views.add(this.view);
  }

  sampleOf(layer) {
    return String(within(this.sample, 0, Math.max(0, layer.samples - 1)));
  }

  // Unpack what is chosen; what was shown stays until then.
  async load() {
    const { layer } = this, turn = this.turn = {};
    this.markLayer();
    if (!layer) return this.redraw();
    const sample = this.sampleOf(layer), plate = layer.plates[sample];
    this.missing = null;
    if (!plate) {
      this.missing = layer.reason ?? (this.alive ? `Sample ${sample} is asked of the kernel …`
        : `Sample ${sample} did not travel here, and there is no kernel to ask.`);
      this.shown = null;
      this.arrange();
      if (!layer.reason && this.alive) this.fetch(layer, sample, turn);
      return;
    }
    const picture = await this.store.picture(plate.id).catch((error) => { this.missing = error.message; });
    if (this.turn !== turn || this.stopping.signal.aborted) return;
    const before = this.shown;
    this.shown = picture ? { layer, plate, picture, sample } : null;
    if (before?.layer.key !== layer.key) this.grid.scrollTop = 0;
    this.arrange(before?.layer.key !== layer.key);
    this.wonder();
  }

  async fetch(layer, sample, turn) {
    const { content, buffers } = await this.ask({ ask: "plate", layer: layer.key, sample: Number(sample) });
    if (content.plate) {
      layer.plates[sample] = content.plate;
      if (content.image) this.store.contents.images[sample] = content.image;
      this.store.take(content.ids, buffers);
    }
    if (this.turn !== turn) return;
    if (content.plate) return this.load();
    this.missing = content.error ?? `The kernel has no sample ${sample}.`;
    this.redraw();
  }

  ask(message) {
    return this.store.ask((sent) => this.kernel.ask(sent)?.then?.((reply) => this.store.hear(reply.content, reply.buffers), () => {}), message);
  }

  // ---- drawing

  // Settings or contents are new: order, colours and sizes are worked out again.
  arrange(reveals = false) {
    this.tick++;
    this.colours = null;
    if (this.shown) {
      const { layer, plate, picture } = this.shown;
      this.colours = coloursOf(this.store, layer, plate, picture, this.settings);
      this.sorted = this.sort(plate);
      this.scratch = new ImageData(plate.width, plate.height);
      this.strength = plate.channels.reduce((most, _, i) => Math.max(most, mostOf(plate, i)), 0);
    }
    this.redraw(reveals);
  }

  // Places of the plate's planes in the order in which they are shown.
  sort(plate) {
    const by = this.settings.topk && this.settings.sort === "index" ? "absmean" : this.settings.sort;
    const places = plate.channels.map((_, i) => i);
    const keys = { mean: plate.mean, absmean: plate.absmean, max: plate.high, std: plate.std, sparsity: plate.zeros }[by];
    const key = (i) => (plate.nan[i] && by !== "sparsity" ? -Infinity : keys[i] ?? -Infinity);
    if (keys) places.sort((a, b) => (key(b) === key(a) ? a - b : key(b) > key(a) ? 1 : -1));
    else if (by === "similar" && plate.order) {
      const rank = new Map(plate.order.map((channel, at) => [channel, at]));
      places.sort((a, b) => rank.get(plate.channels[a]) - rank.get(plate.channels[b]));
    }
    this.by = keys || (by === "similar" && plate.order) ? by : "index";
    return this.settings.topk ? places.slice(0, this.settings.topk) : places;
  }

  redraw(reveals = false) {
    this.reveals ||= reveals;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.stopping.signal.aborted) return;
      this.drawControls();
      this.drawGrid();
      this.drawChosen();
      this.drawPins();
      this.drawMark();
    });
  }

  drawControls() {
    const c = this.controls, { layer, settings } = this, put = (control, value) => {
      if (control !== document.activeElement || control.tagName === "SELECT") control.value = value;
    };
    const calls = this.layers.filter((one) => one.path === layer?.path);
    const texts = calls.map((one) => `${one.call} of ${one.calls}${one.key.slice(one.path.length).replace(/:\d+/, " ")}`.trim());
    if (!same(this.calls, calls.map((one) => one.key))) {
      c.Call.replaceChildren(...calls.map((one, i) => make("option", { value: one.key }, texts[i])));
      this.calls = calls.map((one) => one.key);
    }
    c.Call.disabled = calls.length < 2;
    c.Sample.max = Math.max(0, (layer?.samples ?? 1) - 1);
    c.Sample.disabled = (layer?.samples ?? 1) < 2;
    put(c.Layer, this.key);
    put(c.Call, this.key);
    put(c.Sample, layer ? this.sampleOf(layer) : 0);
    put(c.Input, this.kernel?.get("input") ?? 0);
    for (const [name, setting] of Object.entries({
      Colours: "cmap", Scale: "scale", Robust: "robust", Gamma: "gamma", Sort: "sort", Top: "topk", Zoom: "zoom", Opacity: "alpha",
    })) put(c[name], settings[setting]);
    c.Sort.lastChild.disabled = !this.shown?.plate.order;
    c.Opacity.disabled = !layer?.spatial;
  }

  // How large a tile is, in CSS pixels: whole pixels to a value wherever there is room.
  size(plate) {
    const room = Math.max(40, this.grid.clientWidth - 12);
    let zoom = this.settings.zoom || Math.max(1, Math.ceil(48 / Math.min(plate.width, plate.height)));
    if (!this.settings.zoom) while (zoom > 1 && (plate.width * zoom > room || plate.height * zoom > 320)) zoom--;
    const width = this.settings.zoom ? plate.width * zoom : Math.min(room, plate.width * zoom);
    const height = Math.max(8, Math.round(plate.height * width / plate.width));
    const label = width >= 24 ? 18 : 6;
    const columns = Math.max(1, Math.floor((room + 6) / (width + 6)));
    return { zoom, width, height, columns, across: width + 6, down: height + label + 4, labelled: width >= 24 };
  }

  drawGrid() {
    const { layer, shown } = this;
    write(this.title, layer ? [`${layer.key}  ${layer.kind}  ${layer.shape} ${layer.dtype ?? ""} ${layer.device ?? ""}`,
      ...(layer.words ?? [])].join(" · ") : "no layers");
    const best = shown && this.strongestOf(shown.layer);
    this.best.hidden = !best;
    if (best) {
      this.best.channel = best.channel;
      write(this.best, `strongest here: channel ${best.channel} (${best.end})`);
    }
    if (!shown) {
      this.empty(this.missing ?? "");
      return;
    }
    this.told?.remove();
    const size = this.sized = this.size(shown.plate), rows = Math.ceil(this.sorted.length / size.columns);
    const { style } = this.spacer, at = this.sorted.findIndex((i) => shown.plate.channels[i] === this.channel);
    style.height = `${rows * size.down}px`;
    style.width = size.columns === 1 ? `${size.width}px` : "";
    style.setProperty("--fm-wide", `${size.width}px`);
    style.setProperty("--fm-tall", `${size.height}px`);
    this.spacer.classList.toggle("fm-smooth", size.width < shown.plate.width);
    if (this.reveals && at >= 0) this.reveal(this.grid, Math.floor(at / size.columns) * size.down, size.down);
    this.reveals = false;
    const first = Math.max(0, Math.floor(this.grid.scrollTop / size.down) - 1) * size.columns;
    const last = Math.min(this.sorted.length, Math.ceil((this.grid.scrollTop + this.grid.clientHeight) / size.down + 1) * size.columns);
    for (const [place, tile] of this.tiles) {
      if (place < first || place >= last) {
        this.tiles.delete(place);
        this.spare.push(tile);
      }
    }
    for (let place = first; place < last; place++) this.drawTile(place, size);
    for (const tile of this.spare) tile.remove();
    const tile = this.tiles.get(at);
    if (tile) this.grid.setAttribute("aria-activedescendant", tile.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  empty(reason) {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.told ??= make("p", { class: "fm-reason" });
    write(this.told, reason);
    this.spacer.style.height = "";
    if (this.told.parentNode !== this.grid) this.grid.prepend(this.told);
  }

  drawTile(place, size) {
    const { layer, plate, picture, sample } = this.shown, i = this.sorted[place], channel = plate.channels[i];
    let tile = this.tiles.get(place) ?? this.spare.pop();
    if (!tile) {
      tile = make("div", { class: "fm-tile", role: "option" });
      tile.canvas = make("canvas", { "aria-hidden": "true" });
      tile.pic = make("div", { class: "fm-pic" }, tile.canvas);
      tile.bar = make("i", { "aria-hidden": "true" });
      tile.label = make("span", { "aria-hidden": "true" });
      tile.append(tile.pic, tile.bar, tile.label);
    }
    this.tiles.set(place, tile);
    if (tile.parentNode !== this.spacer) this.spacer.append(tile);
    const chosen = String(channel === this.channel), drawn = `${this.tick} ${layer.key} ${channel}`;
    if (tile.getAttribute("aria-selected") !== chosen) tile.setAttribute("aria-selected", chosen);
    const x = place % size.columns * size.across, y = Math.floor(place / size.columns) * size.down;
    tile.style.transform = `translate(${x}px, ${y}px)`;
    if (tile.drawn === drawn) return;
    tile.drawn = drawn;
    tile.id = `${this.name}-channel-${channel}`;
    tile.dataset.channel = channel;
    tile.pic.shows = { layer, plate, picture, channel, sample };
    const words = this.describe(plate, i);
    tile.setAttribute("aria-label", `${channel}: ${words.join(", ")}`);
    tile.setAttribute("aria-posinset", place + 1);
    tile.setAttribute("aria-setsize", this.sorted.length);
    const signs = [plate.nan[i] && "×", plate.inf[i] && "↑", isConstant(plate, i) && `= ${short(plate.low[i], 2)}`].filter(Boolean);
    write(tile.label, size.labelled ? [channel, ...signs].join(" ") : "");
    tile.title = `${layer.noun?.replace(/s$/, "") ?? "channel"} ${channel}: ${words.join(", ")}`;
    tile.bar.style.width = `${this.strength ? mostOf(plate, i) / this.strength * size.width : 0}px`;
    show(tile.canvas, paint(this.scratch, this.colours, plate, picture, i));
  }

  describe(plate, i) {
    const range = isConstant(plate, i) ? `one value: ${short(plate.low[i])}`
      : isNumber(plate.low[i]) ? `${short(plate.low[i])} to ${short(plate.high[i])}` : "no finite value";
    return [range, plate.nan[i] && `${plate.nan[i]} NaN`, plate.inf[i] && `${plate.inf[i]} infinite`].filter(Boolean);
  }

  drawChosen() {
    const { shown, channel, colours } = this, i = shown ? shown.plate.channels.indexOf(channel) : -1;
    this.root.classList.toggle("fm-none", i < 0);
    write(this.heading, `channel ${channel}`);
    this.pinner.setAttribute("aria-pressed", String(this.pinIndex() >= 0));
    write(this.pinner, this.pinIndex() >= 0 ? "unpin" : "pin");
    this.largePic.shows = i < 0 ? null : { ...shown, channel };
    if (i < 0) {
      this.drawn = null;
      if (shown) this.missing = `Channel ${channel} is not among the ${shown.plate.channels.length} that are here.`;
      return;
    }
    const drawn = `${this.tick} ${shown.layer.key} ${channel} ${this.largePic.clientWidth}`;
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    const { plate, picture } = shown, words = this.describe(plate, i);
    const zoom = Math.max(1, Math.floor(this.largePic.parentNode.clientWidth / Math.max(plate.width, plate.height)));
    this.largePic.style.setProperty("--fm-ratio", `${plate.width} / ${plate.height}`);
    this.largePic.style.setProperty("--fm-wide", `${Math.min(zoom, 24) * plate.width}px`);
    show(this.large, paint(this.scratch, colours, plate, picture, i));
    this.large.setAttribute("aria-label", `${shown.layer.key}, channel ${channel}: ${words.join(", ")}`);
    this.drawHistogram(plate, picture, i);
    const rows = [["range", words[0]], ["mean", short(plate.mean[i])], ["std", short(plate.std[i])], ["mean |x|", short(plate.absmean[i])],
      ["zeros", percent(plate.zeros[i] ?? 0)], ["NaN", String(plate.nan[i] ?? 0)], ["inf", String(plate.inf[i] ?? 0)]];
    this.figures.replaceChildren(...rows.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
    this.drawInput(plate, picture, i);
  }

  // Bars in the colours of the values: the histogram is the colour bar too.
  drawHistogram(plate, picture, i) {
    const counts = countsOf(picture, plate, i), context = this.histogram.getContext("2d"), bars = [];
    for (let bar = 0; bar < LEVELS / 4; bar++) bars.push([0, 1, 2, 3].reduce((all, n) => all + counts[bar * 4 + n], 0));
    const most = Math.max(1, ...bars), lut = lutOf(this.colours, plate, i);
    context.clearRect(0, 0, LEVELS, 56);
    bars.forEach((count, bar) => {
      const rgb = lut[bar * 4 + 2], height = count && Math.max(1, Math.round(Math.sqrt(count / most) * 50));
      context.fillStyle = `rgb(${rgb & 255},${(rgb >> 8) & 255},${(rgb >> 16) & 255})`;
      context.fillRect(bar * 4, 50 - height, 4, height);
      context.fillRect(bar * 4, 52, 4, 4);
    });
    this.histogram.setAttribute("aria-label", `histogram of ${this.describe(plate, i).join(", ")}`);
    this.histogram.title = "heights are square roots of counts";
    const [low, high] = [plate.low[i], plate.high[i]].map((end) => short(end, 3));
    this.ends.replaceChildren(make("span", {}, low), make("span", {}, high));
  }

  async drawInput(plate, picture, i) {
    const { layer, sample } = this.shown, about = this.store.contents.images[sample];
    this.inputBox.hidden = !about;
    if (!about) return;
    const turn = this.drawn, lut = lutOf(this.colours, plate, i).slice(), opacity = this.opacities(plate, i);
    const photo = await this.store.picture(about.id).catch(() => null);
    if (!photo || this.drawn !== turn) return;
    const { width, height } = photo, image = new ImageData(width, height), out = image.data;
    for (let y = 0, at = 0; y < height; y++) {
      const row = (i * plate.height + Math.floor(y * plate.height / height)) * plate.width;
      for (let x = 0; x < width; x++, at += 1) {
        const code = layer.spatial ? picture.pixels[row + Math.floor(x * plate.width / width)] : LEVELS;
        const part = opacity[code], rgb = lut[code];
        for (let j = 0; j < 3; j++) out[4 * at + j] = photo.pixels[3 * at + j] * (1 - part) + ((rgb >> (8 * j)) & 255) * part;
        out[4 * at + 3] = 255;
      }
    }
    show(this.input, image);
    this.inputPic.style.setProperty("--fm-ratio", `${width} / ${height}`);
    this.drawMark();
  }

  // The larger the magnitude, the more opaque: 0 is transparent, as in overlay.py.
  opacities(plate, i) {
    const { centred, gamma, low, high, place } = this.colours, all = new Float32Array(256).fill(this.settings.alpha);
    const most = Math.max(Math.abs(low[i]), Math.abs(high[i])) || 1;
    for (let code = 0; code < LEVELS; code++) {
      const t = place(i, valueOf(plate, i, code));
      all[code] *= centred ? Math.abs(2 * t - 1) : gamma !== 1 ? t : Math.abs(low[i] + t * (high[i] - low[i])) / most;
    }
    all[LEVELS] = 0;
    return all;
  }

  // ---- pins

  pinIndex() {
    return this.pins.findIndex((pin) => pin.key === this.key && pin.channel === this.channel && pin.sample === this.sampleOf(this.layer));
  }

  pin() {
    if (!this.largePic.shows) return;
    const at = this.pinIndex(), pin = { key: this.key, channel: this.channel, sample: this.sampleOf(this.layer) };
    if (at >= 0) return this.unpin(this.pins[at]);
    const pic = make("div", { class: "fm-pic" }, make("canvas", { role: "img", "aria-label": `${pin.key}, channel ${pin.channel}` }));
    pin.words = make("span");
    pin.element = make("div", { class: "featmagic-pin", "data-channel": pin.channel, "data-layer": pin.key },
      make("div", {}, make("b", {}, `${pin.key} · ${pin.channel}`), this.button("×", () => this.unpin(pin), { "aria-label": `unpin ${pin.key}, channel ${pin.channel}` })),
      pic, pin.words);
    this.on(pic, "click", () => this.go(pin.key, pin.channel));
    this.pins.push(pin);
    this.pinned.append(pin.element);
    this.redraw();
    if (this.alive) {
      this.ask({ ask: "channel", layer: pin.key, channel: pin.channel, sample: Number(pin.sample) }).then(({ content }) => {
        if (!content.error) pin.exact = content;
        this.redraw();
      });
    }
  }

  unpin(pin) {
    pin.element.remove();
    this.pins = this.pins.filter((one) => one !== pin);
    this.redraw();
  }

  async drawPins() {
    for (const pin of this.pins) {
      const layer = this.layers.find((one) => one.key === pin.key), plate = layer?.plates[pin.sample];
      const i = plate ? plate.channels.indexOf(pin.channel) : -1, [head, pic] = pin.element.children;
      if (i < 0) continue;
      const { mean, std, low, high } = pin.exact ?? {};
      write(pin.words, pin.exact ? `${short(low, 7)} to ${short(high, 7)}, mean ${short(mean, 7)}, std ${short(std, 7)}`
        : `${this.describe(plate, i).join(", ")}, mean ${short(plate.mean[i])}`);
      if (pin.tick === this.tick && pin.plate === plate) continue;
      Object.assign(pin, { tick: this.tick, plate });
      const picture = await this.store.picture(plate.id).catch(() => null);
      if (!picture || this.stopping.signal.aborted) continue;
      pic.shows = { layer, plate, picture, channel: pin.channel, sample: pin.sample };
      pic.style.setProperty("--fm-ratio", `${plate.width} / ${plate.height}`);
      const colours = coloursOf(this.store, layer, plate, picture, this.settings);
      show(pic.firstChild, paint(new ImageData(plate.width, plate.height), colours, plate, picture, i));
    }
  }

  // ---- the place that is read

  placeIn(pic, event) {
    const box = pic.firstChild.getBoundingClientRect(), [tall, wide] = pic.shows.plate.full;
    return [within(Math.floor((event.clientY - box.top) / box.height * tall), 0, tall - 1),
      within(Math.floor((event.clientX - box.left) / box.width * wide), 0, wide - 1)];
  }

  placeFromInput(event) {
    if (!this.largePic.shows || !this.shown.layer.spatial) return this.position;
    const box = this.input.getBoundingClientRect(), { layer, plate, sample } = this.shown, field = layer.field;
    const at = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    const full = this.store.contents.images[sample].full;
    return at.map((part, axis) => within(field ? Math.round((part * full[axis] - field[4 + axis] - field[axis] / 2) / field[2 + axis])
      : Math.floor(part * plate.full[axis]), 0, plate.full[axis] - 1));
  }

  point(event) {
    const pic = event.target.closest?.(".fm-pic"), onInput = pic === this.inputPic && this.largePic.shows && this.shown.layer.spatial;
    if (!pic?.shows && !onInput) return this.leave();
    const what = onInput ? this.largePic.shows : pic.shows;
    this.hover = { ...what, position: onInput ? this.placeFromInput(event) : this.placeIn(pic, event) };
    this.wonder();
    this.quietly();
  }

  leave() {
    if (!this.hover) return;
    this.hover = null;
    this.quietly();
  }

  // Marks and words follow a pointer once a frame; a screen reader is not told of each step.
  quietly() {
    this.status.setAttribute("aria-live", "off");
    this.marking ??= requestAnimationFrame(() => {
      this.marking = null;
      if (!this.stopping.signal.aborted) this.drawMark();
    });
  }

  // What is read: what the pointer is on, else the chosen channel at the chosen place.
  get read() {
    if (this.hover) return this.hover;
    const chosen = this.largePic.shows;
    return chosen ? { ...chosen, position: this.position } : null;
  }

  drawMark() {
    const { read, shown, root } = this, at = read?.position, full = read?.plate.full;
    if (!this.hover) this.status.setAttribute("aria-live", "polite");
    root.classList.toggle("fm-marked", Boolean(at) && !isSingle(read.plate));
    if (at) {
      root.style.setProperty("--fm-x", at[1] / full[1]);
      root.style.setProperty("--fm-y", at[0] / full[0]);
      root.style.setProperty("--fm-w", 1 / full[1]);
      root.style.setProperty("--fm-h", 1 / full[0]);
    }
    if (shown && !this.inputBox.hidden) this.drawField(at && at.map((n, axis) => Math.floor(n / full[axis] * shown.plate.full[axis])));
    this.say();
  }

  drawField(at) {
    const { layer, plate, sample } = this.shown, full = this.store.contents.images[sample]?.full, { field, spatial } = layer;
    if (!full) return;
    this.field.hidden = !at || !spatial;
    write(this.inputWords, !spatial ? "these channels do not lie over the input"
      : field ? `receptive field ${field[0]} × ${field[1]} pixels` : "place by proportion: the field is not known");
    if (this.field.hidden) return;
    const box = [0, 1].map((axis) => (field ? [(field[4 + axis] + at[axis] * field[2 + axis]) / full[axis], field[axis] / full[axis]]
      : [at[axis] / plate.full[axis], 1 / plate.full[axis]]));
    ["top", "left"].forEach((side, axis) => { this.field.style[side] = `${box[axis][0] * 100}%`; });
    ["height", "width"].forEach((side, axis) => { this.field.style[side] = `${box[axis][1] * 100}%`; });
  }

  // Ask the kernel for the value itself, once the pointer rests.
  wonder() {
    clearTimeout(this.waiting);
    const read = this.read;
    if (!this.alive || !read?.position || this.store.exact.has(this.nameOf(read))) return;
    this.waiting = setTimeout(async () => {
      const { layer, channel, sample, position } = read;
      const { content } = await this.ask({ ask: "value", layer: layer.key, channel, sample: Number(sample), position });
      if (content.error || !("value" in content)) return;
      if (this.store.exact.size > 4096) this.store.exact.clear();
      this.store.exact.set(this.nameOf(read), Number(String(content.value).replace("inf", "Infinity")));
      if (this.hover) this.quietly();
      else this.drawMark();
    }, 100);
  }

  nameOf({ layer, sample, channel, position }) {
    return `${layer.key}/${sample}/${channel}/${position}`;
  }

  // [0, 41, 17, 9], as the tensor is indexed; averages of several values have slices.
  indexOf({ plate, channel }, position, exact) {
    const part = (axis) => {
      const first = position[axis] - position[axis] % plate.shrink, last = Math.min(first + plate.shrink, plate.full[axis]);
      return exact || plate.shrink === 1 ? String(position[axis]) : `${first}:${last}`;
    };
    const names = { c: String(channel), y: part(0), x: part(1) };
    return plate.reach.map((step) => (typeof step === "object"
      ? step.t[0] + position[0] * step.t[1] + position[1] : names[step] ?? step)).join(", ");
  }

  valueAt(read) {
    const { layer, plate, picture, channel, position } = read, i = plate.channels.indexOf(channel);
    const exact = this.store.exact.get(this.nameOf(read)), known = exact !== undefined;
    const single = plate.reach && (known || plate.shrink === 1 || plate.reach.every((step) => typeof step !== "object"));
    const name = single ? `${layer.key}[${this.indexOf(read, position, known)}]`
      : `${layer.key}, channel ${channel}, row ${position[0]}, column ${position[1]}`;
    if (known) return `${name} = ${short(exact, 6)}`;
    const [y, x] = position.map((n, axis) => Math.min(Math.floor(n / plate.shrink), (axis ? plate.width : plate.height) - 1));
    const code = picture.pixels[(i * plate.height + y) * plate.width + x];
    const mean = plate.shrink > 1 ? `, a mean of ${plate.shrink} × ${plate.shrink}` : "";
    if (code in STRANGE) return `${name} = ${short(STRANGE[code])}`;
    if (code >= LEVELS) return `${name}: nothing is there`;
    const half = (plate.high[i] - plate.low[i]) / (2 * (LEVELS - 1)), value = valueOf(plate, i, code);
    const digits = Math.floor(Math.log10(Math.abs(value) || half)) - Math.floor(Math.log10(half)) + 2;
    return half ? `${name} = ${short(value, digits)} ± ${short(half, 2)} (half a step)${mean}` : `${name} = ${short(value)}${mean}`;
  }

  say() {
    const { read, settings, colours, shown, layer, store } = this;
    write(this.values, !read ? this.missing ?? "" : read.position ? this.valueAt(read)
      : `${read.layer.key}, channel ${read.channel}: ${this.describe(read.plate, read.plate.channels.indexOf(read.channel)).join(", ")}`);
    const all = shown ? shown.plate.channels.length : 0, some = this.sorted?.length ?? 0;
    write(this.says, [
      this.note, store.busy && "the model runs …", read && this.missing,
      shown && `sample ${shown.sample} of ${layer.samples}`, layer?.calls > 1 && `call ${layer.call} of ${layer.calls}`,
      store.contents.inputs > 0 && `input ${this.kernel?.get("input") ?? 0} of ${store.contents.inputs}`,
      colours && `${colours.cmap}${colours.centred ? " around 0" : ""}`,
      colours && (colours.own ? "each channel its own range" : `one range: ${short(colours.low[0], 3)} to ${short(colours.high[0], 3)}`),
      colours && (settings.robust ? `${settings.robust} % left out at each end` : "no value left out"),
      colours && `gamma ${settings.gamma}`,
      shown && `by ${this.by}, ${some < all ? `first ${some} of ${layer.of}` : all < layer.of ? `${all} of ${layer.of}` : `all ${all}`} ${layer.noun}`,
      shown && this.sized && `zoom × ${this.sized.zoom}${settings.zoom ? "" : " (auto)"}`,
      layer?.spatial && shown && `opacity ${settings.alpha}`, ...(store.contents.words ?? []),
    ].filter(Boolean).join(" · "));
  }

  // ---- keys

  press(event) {
    event.stopPropagation(); // a notebook has keys of one letter
    const { key, target } = event, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape") this.escape();
    else if (target === this.finder && (key === "Enter" || key === "ArrowDown")) {
      if (key === "Enter" && this.inFilm.length) this.go(this.inFilm[0].key);
      this.film.focus();
    } else if (typing || (target.tagName === "BUTTON" && (key === "Enter" || key === " "))) return;
    else if (!this.act(key, event.shiftKey, target)) return;
    event.preventDefault();
  }

  act(key, shift, target) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
    const acts = {
      "[": () => this.step(-1), "]": () => this.step(1), "+": () => this.zoom(1), "=": () => this.zoom(1), "-": () => this.zoom(-1),
      "/": () => this.finder.select(), Enter: () => this.pin(), c: () => this.copy(), "?": () => this.toggleKeys(),
      Home: () => this.move(-1e9), End: () => this.move(1e9),
    };
    if (step && shift) this.shift(step);
    else if (step && target === this.film) this.step(step[0] + step[1]);
    else if (step) this.move(step[1] + step[0] * (this.sized?.columns ?? 1), Boolean(step[0]));
    else if (acts[key]) acts[key]();
    else return false;
    return true;
  }

  step(by) {
    const at = this.inFilm.findIndex((layer) => layer.key === this.key), next = this.inFilm[within(at + by, 0, this.inFilm.length - 1)];
    if (next && next.key !== this.key) this.go(next.key);
  }

  move(by, wholeRows = false) {
    if (!this.shown) return;
    const at = this.sorted.findIndex((i) => this.shown.plate.channels[i] === this.channel), most = this.sorted.length - 1;
    if (wholeRows && at >= 0 && (at + by < 0 || at + by > most)) return;
    this.hover = null;
    this.choose({ channel: this.shown.plate.channels[this.sorted[at < 0 ? 0 : within(at + by, 0, most)]] }, true);
  }

  shift(step) {
    if (!this.largePic.shows) return;
    const { full } = this.shown.plate, from = this.position ?? full.map((n) => Math.floor(n / 2));
    this.hover = null;
    this.choose({ position: from.map((n, axis) => within(n + step[axis] * this.shown.plate.shrink, 0, full[axis] - 1)) });
  }

  zoom(by) {
    if (this.sized) this.set({ zoom: within(this.sized.zoom + by, 1, 64) });
  }

  toggleKeys() {
    this.keys.hidden = !this.keys.hidden;
    if (this.keys.hidden) this.from?.focus();
    else {
      this.from = document.activeElement;
      this.keys.focus();
    }
  }

  escape() {
    if (!this.keys.hidden) this.toggleKeys();
    else if (this.finder.value) {
      this.finder.value = "";
      this.orderFilm();
    } else if (this.position) this.choose({ position: null });
  }

  codeOf() {
    const { layer, channel } = this, maps = `${this.store.contents.maps}[${JSON.stringify(layer.key)}]`;
    const reach = this.largePic.shows?.plate.reach;
    if (!reach) return maps;
    const steps = reach.map((step) => (step === "c" ? channel : typeof step === "object" ? `${step.t[0] || ""}:` : typeof step === "number" ? step : ":"));
    while (steps.at(-1) === ":") steps.pop();
    return steps.length ? `${maps}[${steps.join(", ")}]` : maps;
  }

  async copy() {
    if (!this.layer) return;
    const code = this.codeOf();
    await Promise.resolve().then(() => navigator.clipboard.writeText(code)).catch(() => { // not on plain pages, nor in all frames
      const area = make("textarea", { "aria-hidden": "true" }), before = document.activeElement;
      area.value = code;
      this.root.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      before?.focus();
    });
    this.note = `copied ${code}`;
    this.redraw();
  }

  end() {
    this.stopping.abort();
    this.store.views.delete(this.view);
    this.unfollow?.();
    this.resizing.disconnect();
    this.watching.disconnect();
    clearTimeout(this.waiting);
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.marking);
    this.root.remove();
  }
}

// ---- doors ---------------------------------------------------------------------------------------

/** Builds the explorer inside `element`; what comes back takes it down. */
export function mount(element, contents, bytes, kernel = null) {
  const explorer = new Explorer(element, new Store(contents, bytes), kernel);
  return () => explorer.end();
}

// By its contents: anywidget hands each view another model for the same widget.
const stores = new WeakMap();
function storeOf(model) {
  const contents = model.get("_contents");
  if (!stores.has(contents)) stores.set(contents, new Store(contents, model.get("_bytes")));
  return stores.get(contents);
}

function kernelOf(model) {
  const names = ["layer", "channel", "sample", "position", "input", "settings", "_contents", "_alive"];
  return {
    get: (name) => model.get(name),
    set(name, value) {
      model.set(name, value);
      model.save_changes();
    },
    on(listener) {
      const listeners = names.map((name) => [`change:${name}`, () => listener(name)]);
      listeners.push(["msg:custom", (content, buffers) => listener("message", content, buffers)]);
      for (const [name, one] of listeners) model.on(name, one);
      return () => listeners.forEach(([name, one]) => model.off(name, one));
    },
    ask: (message) => model.send(message),
  };
}

export default {
  initialize({ model }) {
    model.send({ ask: "here" });
    model.on("msg:custom", (content, buffers) => storeOf(model).hear(content, buffers));
  },
  render({ model, el }) {
    const explorer = new Explorer(el, storeOf(model), kernelOf(model));
    return () => explorer.end();
  },
};
