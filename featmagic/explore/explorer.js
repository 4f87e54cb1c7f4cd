// The explorer: an anywidget, and what a saved page mounts. Written by hand; needs nothing else.
// A layer is one grey PNG and a range for each channel: colours, order, zoom, values are made here.

const LEVELS = 248, CONSTANT = 250, NAN = 251, PLUS = 252, MINUS = 253; // codes, as in palette.py
const STRANGE = { [NAN]: NaN, [PLUS]: Infinity, [MINUS]: -Infinity };
const KEPT = 96 * 2 ** 20; // bytes of unpacked pictures at most
const KEYS = {
  "[ ]": "layer before, after", arrows: "channel beside, above, below", "Home End": "first, last channel",
  "Shift arrows": "move the place that is read", "+ -": "zoom", "/": "find a layer by name",
  Enter: "pin the channel, or unpin it", c: "copy the code that reaches the channel",
  "?": "these keys", Escape: "close; let go of the place",
};

// Children become text, never HTML: names come from the model. `tag` may have a class: "div.film".
function make(tag, attributes, ...children) {
  const [name, style] = tag.split("."), element = document.createElement(name);
  if (style) element.className = style;
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const within = (value, low, high) => Math.max(low, Math.min(value, high));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`);
function short(value, digits = 4) {
  if (value === null || value === undefined) return "none";
  const text = String(Number(value.toPrecision(within(digits, 1, 17))));
  return text.replace("Infinity", "inf");
}

// ---- pictures ------------------------------------------------------------------------------------

// By hand: what is read back from a canvas may hold a privacy setting's noise.
async function unpacked(data) {
  const view = new DataView(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength), parts = [];
  const start = view.byteOffset, depth = view.getUint8(25) === 2 ? 3 : 1;
  for (let at = 8, size; at < view.byteLength; at += 12 + size) {
    size = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x49444154) parts.push(new Uint8Array(view.buffer, start + at + 8, size)); // IDAT
  }
  const inflated = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const lines = new Uint8Array(await new Response(inflated).arrayBuffer());
  const width = view.getUint32(16), height = view.getUint32(20);
  return { width, height, pixels: unfiltered(lines, width * depth, height, depth), counts: [] };
}

function unfiltered(lines, wide, height, depth) {
  const pixels = new Uint8Array(wide * height);
  for (let y = 0; y < height; y++) {
    const from = y * (wide + 1) + 1, to = y * wide, filter = lines[from - 1];
    pixels.set(lines.subarray(from, from + wide), to);
    if (filter > 2) throw new Error(`A PNG's line filter ${filter} is not known here.`);
    if (filter === 1) for (let x = to + depth; x < to + wide; x++) pixels[x] += pixels[x - depth];
    if (filter === 2 && y) for (let x = to; x < to + wide; x++) pixels[x] += pixels[x - wide];
  }
  return pixels;
}

const isSingle = ({ full }) => full[0] * full[1] < 2;
const isConstant = (plate, i) => !isSingle(plate) && plate.low[i] !== null && plate.low[i] === plate.high[i]
  && !plate.nan[i] && !plate.inf[i];
const mostOf = (plate, i) => Math.max(Math.abs(plate.low[i]), Math.abs(plate.high[i]));
const valueOf = (plate, i, code) => plate.low[i] + code / (LEVELS - 1) * (plate.high[i] - plate.low[i]);
const firstOf = (layer) => Object.values(layer.plates)[0];

function countsOf(picture, plate, i) {
  if (!picture.counts[i]) {
    const counts = picture.counts[i] = new Uint32Array(256), size = plate.width * plate.height;
    for (let at = i * size; at < (i + 1) * size; at++) counts[picture.pixels[at]]++;
  }
  return picture.counts[i];
}

// The codes that leave so much percent of the values outside at each end.
function innerCodes(counts, robust) {
  let low = 0, high = LEVELS - 1;
  const outside = (counts.subarray(0, LEVELS).reduce((a, b) => a + b, 0) - 1) * robust / 100;
  for (let seen = counts[low]; low < high && seen <= outside; seen += counts[low]) low++;
  for (let seen = counts[high]; high > low && seen <= outside; seen += counts[high]) high--;
  return [low, high];
}

// The colours of a layer, by the rules of colour.py: around 0 where there are both signs.
function coloursOf(store, layer, plate, picture, settings) {
  const { cmaps, diverging, layers } = store.contents, { robust, gamma = 1, scale } = settings;
  const ends = plate.low.map((low, i) => (robust ? innerCodes(countsOf(picture, plate, i), robust)
    .map((code) => valueOf(plate, i, code)) : [Number(low), Number(plate.high[i])]));
  const own = scale === "channel" && !isSingle(plate);
  if (!own) {
    const all = scale === "all" ? layers.map(firstOf).filter(Boolean) : [];
    const shared = [Math.min, Math.max].map((pick, end) => pick(
      ...ends.filter((_, i) => plate.low[i] !== null).map((pair) => pair[end]),
      ...all.flatMap((one) => [one.low, one.high][end].filter((value) => value !== null))));
    ends.fill(shared.map((end) => (Number.isFinite(end) ? end : 0)));
  }
  const around = layer.signed || (ends.some(([low]) => low < 0) && ends.some(([, high]) => high > 0));
  const cmap = cmaps[settings.cmap] ? settings.cmap : around ? "RdBu_r" : "viridis";
  const centred = around && diverging.includes(cmap);
  const ranges = ends.map(([low, high]) => (centred ? [-Math.max(-low, high), Math.max(-low, high)] : [low, high]));
  const place = (i, value) => { // of a value in its channel's colours, 0 to 1
    const [low, high] = ranges[i], t = high > low ? within((value - low) / (high - low), 0, 1) : 0;
    return centred ? (1 + Math.sign(t - 0.5) * Math.abs(2 * t - 1) ** gamma) / 2 : t ** gamma;
  };
  return { cmap, centred, own, ranges, gamma, place, table: store.table(cmap), lut: new Uint32Array(256) };
}

// Code -> RGBA of one plane; the next one's is written over it.
function lutOf({ lut, table, place }, plate, i) {
  lut.set(table);
  for (let code = 0; code < LEVELS; code++) lut[code] = table[Math.round(place(i, valueOf(plate, i, code)) * (LEVELS - 1))];
  return lut;
}

// A plane, one pixel a value. One of a single value is framed and hatched, as it has no range.
let scratch = null;
function paint(canvas, colours, plate, picture, i) {
  const { width, height } = plate, lut = lutOf(colours, plate, i), start = i * width * height;
  if (scratch?.width !== width || scratch.height !== height) scratch = new ImageData(width, height);
  const out = new Uint32Array(scratch.data.buffer), { pixels } = picture, hatched = isConstant(plate, i);
  for (let at = 0; at < out.length; at++) out[at] = lut[pixels[start + at]];
  for (let y = 0, at = 0; hatched && y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const edge = !x || !y || x === width - 1 || y === height - 1, line = (x + y) % 3;
      if (line === 0 || (edge && Math.min(width, height) > 4)) out[at] = lut[CONSTANT];
      else if (colours.own || line === 1) out[at] = lut[LEVELS];
    }
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
  heard = new WeakSet(); // each view passes a message on: once is enough
  busy = false;

  constructor(contents, bytes) {
    this.fill(contents, bytes);
  }

  fill(contents, bytes) {
    this.contents = contents;
    this.bytes = new Map(bytes instanceof Map ? bytes : Object.entries(bytes ?? {}));
    this.pictures = new Map(); // the one used longest ago first
    this.tables = {};
  }

  table(cmap) {
    const { cmaps, special } = this.contents, pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
    if (!this.tables[cmap]) {
      const rgb = Uint8Array.from(atob(cmaps[cmap]), (letter) => letter.charCodeAt(0));
      const table = this.tables[cmap] = new Uint32Array(256).fill(pack(special.gap));
      for (let i = 0; i < LEVELS; i++) table[i] = pack(rgb.subarray(3 * i));
      table.set([special.constant, special.nan, special["+inf"], special["-inf"]].map(pack), CONSTANT);
    }
    return this.tables[cmap];
  }

  // Unpacked when it is first looked at; those looked at last are kept.
  picture(id) {
    const kept = this.pictures.get(id) ?? { size: 0, promise: this.unpack(id) };
    this.pictures.delete(id);
    this.pictures.set(id, kept);
    return kept.promise;
  }

  async unpack(id) {
    if (!this.bytes.has(id)) return null;
    const picture = await unpacked(this.bytes.get(id)), kept = this.pictures.get(id);
    if (kept) kept.size = picture.pixels.length;
    let all = 0;
    for (const { size } of this.pictures.values()) all += size;
    for (const [old, { size }] of this.pictures) {
      if (all > KEPT && size && old !== id && this.pictures.delete(old)) all -= size;
    }
    return picture;
  }

  take(ids = [], buffers = []) {
    ids.forEach((id, i) => {
      this.bytes.set(id, buffers[i]);
      this.pictures.delete(id);
    });
  }

  hear(content, buffers) {
    if (this.heard.has(content)) return;
    this.heard.add(content);
    const { busy, changed, images, ids } = content;
    if (busy !== undefined) this.busy = busy;
    if (changed) {
      const news = Object.fromEntries(changed.map((layer) => [layer.key, layer])), { contents } = this;
      const layers = contents.layers.map((layer) => ({ ...layer, ...news[layer.key] }));
      this.contents = { ...contents, layers, images: images ?? contents.images };
      this.take(ids, buffers);
    }
    if (changed || busy !== undefined) this.tell(changed);
  }

  tell(changed) {
    for (const view of this.views) view(changed);
  }
}

// ---- one view ------------------------------------------------------------------------------------

function explore(element, store, kernel) {
  const stopping = new AbortController(), { signal } = stopping;
  const name = `featmagic-${Math.random().toString(36).slice(2)}`; // other explorers are on the page
  const layers = () => store.contents.layers, alive = () => Boolean(kernel) && kernel.get("_alive") !== false;
  const { start } = store.contents, given = (what) => kernel?.get(what);
  let settings = { ...store.contents.settings, ...given("settings") };
  const chosen = {
    layer: given("layer") ?? start.layer, channel: given("channel") ?? start.channel,
    sample: given("sample") ?? start.sample, position: given("position") ?? null,
  };
  const tiles = new Map(), frames = new Map();
  let spare = [], pins = [], inFilm = [], sorted = [], strong = null, best = null;
  let shown = null; // {layer, plate, picture, sample}: what the grid has, once that is unpacked
  let colours, size, by, tick = 0; // what is drawn before a tick has to be drawn again
  let hover = null, exact = {}, note = "", missing = "", turn, drawn, frame, marking, waiting, reveals, from;

  const layerNow = () => layers().find((layer) => layer.key === chosen.layer) ?? layers()[0];
  const sampleOf = (layer) => within(chosen.sample, 0, Math.max(0, layer.samples - 1));
  const plateOf = (layer) => layer.plates[sampleOf(layer)] ?? firstOf(layer);
  const shareOf = (layer) => (layer.dead ?? 0) / (layer.dead_of || layer.of || 1);
  const channelPlace = () => sorted.findIndex((i) => shown.plate.channels[i] === chosen.channel);

  const on = (target, types, act) => types.split(" ").forEach((type) => target.addEventListener(type, act, { signal }));
  const button = (tag, text, act, attributes) => {
    const made = make(tag, { type: "button", ...attributes }, text);
    on(made, "click", act);
    return made;
  };

  // ---- elements

  const controls = {}, labels = {};
  for (const [label, values, act, title = ""] of [
    ["Layer", [], go], ["Sample", [0, 0, 1], (sample) => choose({ sample })], ["Call", [], go],
    ["Input", [0, store.contents.inputs - 1, 1], (n) => tell("input", n), "the model runs again on it"],
    ["Colours", ["auto", ...Object.keys(store.contents.cmaps)], "cmap"],
    ["Scale", ["channel", "layer", "all"], "scale", "who shares a range of colours"],
    ["Robust", [0, 49, 0.5], "robust", "percent of the values left out at each end of the range"],
    ["Gamma", [0.1, 5, 0.1], "gamma", "below 1 shows weak values"],
    ["Sort", ["index", "mean", "absmean", "max", "std", "sparsity", "similar"], "sort"],
    ["Top", [0, 1e6, 1], "topk", "so many channels; 0 is all"],
    ["Zoom", [0, 64, 1], "zoom", "pixels to a value; 0 is by the room there is"],
    ["Opacity", [0, 1, 0.05], "alpha"],
  ]) {
    const [min, max, step] = values, number = typeof min === "number";
    const made = controls[label] = number ? make("input", { type: label === "Opacity" ? "range" : "number", min, max, step })
      : make("select", {}, ...values.map((value) => new Option(value)));
    made.setting = typeof act === "string" && act;
    on(made, number ? "input" : "change", () => {
      if (made.value === "" || made.value < min) return;
      const value = number ? Math.min(step === 1 ? Math.round(made.value) : made.value, made.max) : made.value;
      if (made.setting) set({ [act]: value });
      else act(value);
    });
    labels[label] = make("label", { title, "data-control": label }, make("span", {}, label), made);
  }
  labels.Input.hidden = !store.contents.inputs;
  const { Opacity, ...above } = labels;

  const deadest = button("button", "", () => go(deadest.layer.key));
  const strongest = button("button", "", () => go(strong.layer.key, strong.channel));
  const finder = make("input", { type: "search", placeholder: "find by name  /", "aria-label": "Find" });
  const order = make("select", { "aria-label": "Film order" }, new Option("as run"), new Option("most dead first"));
  const film = make("div.fm-film", { role: "listbox", "aria-label": "Layers", tabindex: 0 });
  const title = make("div.fm-title"), told = make("p.fm-reason");
  const bestHere = button("button", "", () => choose({ channel: best.channel }, true));
  const spacer = make("div.fm-spacer", { role: "presentation" });
  const grid = make("div.fm-grid", { role: "listbox", "aria-label": "Channels", tabindex: 0 }, told, spacer);
  const picture = (style, label) => make("div.fm-pic", {}, make(`canvas.${style}`, { role: "img", "aria-label": label }));
  const large = picture("featmagic-large", "chosen channel"), heading = make("strong");
  const pinner = button("button", "pin", pin), ends = make("div.fm-ends"), figures = make("dl");
  const histogram = make("canvas.featmagic-histogram", { role: "img", width: LEVELS, height: 56, title: "heights are square roots of counts" });
  const input = picture("featmagic-input", "input with the channel on it"), inputWords = make("div.fm-words");
  const field = make("div.featmagic-field"), inputBox = make("div.fm-input", {}, input, inputWords, Opacity);
  const pinned = make("div.fm-pins", { role: "group", "aria-label": "Pinned channels" });
  const value = make("span.fm-value"), says = make("span.fm-says");
  const status = make("div.fm-status", { role: "status" }, value, says);
  const keys = make("div.fm-keys", { role: "dialog", "aria-label": "Keys", tabindex: -1 },
    make("dl", {}, ...Object.entries(KEYS).flatMap(([key, act]) => [make("dt", {}, key), make("dd", {}, act)])),
    button("button", "close", toggleKeys));
  keys.hidden = true;
  input.append(field);

  const root = make("section.featmagic-explorer", {
    "aria-label": "Explorer of feature maps", tabindex: -1, "data-lm-suppress-shortcuts": true, // JupyterLab's own keys
  },
  make("div.fm-controls", { role: "group", "aria-label": "Display" }, ...Object.values(above),
    button("button.fm-help", "?", toggleKeys, { "aria-label": "Keys" })),
  make("div.fm-main", {},
    make("div.fm-left", {}, make("div.fm-shortcuts", {}, deadest, strongest), make("div.fm-finding", {}, finder, order), film),
    make("div.fm-middle", {}, make("div.fm-head", {}, title, bestHere), grid),
    make("div.fm-right", {},
      make("div.fm-chosen", {}, make("div.fm-head", {}, heading, pinner, button("button", "copy code", copy)), large),
      make("div.fm-measured", {}, histogram, ends, figures), inputBox)),
  pinned, status, keys);

  on(root, "keydown", press);
  on(root, "keyup keypress copy cut paste", (event) => event.stopPropagation());
  on(root, "pointermove", point);
  on(root, "pointerleave", point);
  on(finder, "input", orderFilm);
  on(order, "change", orderFilm);
  on(film, "click", ({ target }) => go(target.closest("[data-layer]")?.dataset.layer));
  on(grid, "scroll", () => redraw());
  on(grid, "click", (event) => {
    const tile = event.target.closest("[data-channel]");
    if (tile) choose({ channel: Number(tile.dataset.channel), position: placeIn(tile.firstChild, event) });
  });
  on(large, "click", (event) => choose({ position: placeIn(large, event) }));
  const resizing = new ResizeObserver(() => redraw());
  const watching = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
    if (isIntersecting) drawThumb(target);
  }), { root: film, rootMargin: "200px" });

  // ---- the film

  function strongestOf(layer) {
    const plate = plateOf(layer);
    if (!(plate?.channels.length > 1)) return null;
    const i = plate.channels.reduce((top, _, at) => (mostOf(plate, at) > mostOf(plate, top) ? at : top), 0);
    const most = mostOf(plate, i), end = most === plate.high[i] ? `max ${short(most, 3)}` : `min ${short(-most, 3)}`;
    return { layer, channel: plate.channels[i], most, text: `${plate.channels[i]} (${end})` };
  }

  function fillFilm() {
    watching.disconnect();
    frames.clear();
    layers().forEach((layer, i) => {
      const { key, kind, shape, reason, dead, dead_of: of = layer.of, nan, inf } = layer, share = shareOf(layer);
      const bar = make("i"), alarm = [nan && `× ${nan} NaN`, inf && `↑ ${inf} inf`].filter(Boolean).join(", ");
      bar.style.width = `${share * 100}%`;
      const words = reason ? "no picture" : dead ? `${dead} of ${of} dead, ${percent(share)}` : of ? "none dead" : "";
      const made = make("div", { role: "option", id: `${name}-layer-${i}`, "data-layer": key },
        make("canvas", { width: 48, height: 48, "aria-hidden": true }), make("div", {}, make("b", {}, key),
          make("span", {}, `${kind} ${shape}`), make("span", {}, words), make("span.fm-bar", {}, bar), make("em", {}, alarm)));
      frames.set(key, made);
      watching.observe(made);
    });
    controls.Layer.replaceChildren(...layers().map(({ key }) => new Option(key)));
    const most = layers().reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a)), none = !most.dead;
    deadest.layer = most;
    deadest.disabled = none;
    write(deadest, none ? "no layer has dead channels" : `deadest layer: ${most.key}, ${percent(shareOf(most))} of ${most.noun} dead`);
    strong = layers().map(strongestOf).reduce((a, b) => (b && b.most > (a?.most ?? -1) ? b : a), null);
    strongest.hidden = !strong;
    if (strong) write(strongest, `strongest channel: ${strong.layer.key}, ${strong.text}`);
    orderFilm();
  }

  function orderFilm() {
    const sought = finder.value.trim().toLowerCase();
    inFilm = layers().filter(({ key }) => key.toLowerCase().includes(sought));
    if (order.selectedIndex) inFilm.sort((a, b) => shareOf(b) - shareOf(a));
    film.replaceChildren(...(inFilm.length ? inFilm.map(({ key }) => frames.get(key)) : [make("p", {}, `no name has “${sought}” in it`)]));
    markLayer();
  }

  // A few channels, evenly spaced, in the layer's usual colours.
  async function drawThumb(made) {
    const layer = layers().find(({ key }) => key === made.dataset.layer), plate = layer && firstOf(layer);
    const unpacked = plate && made.drawn !== plate && await store.picture(plate.id);
    if (!unpacked || signal.aborted) return;
    made.drawn = plate;
    const all = plate.channels.length, usual = coloursOf(store, layer, plate, unpacked, { scale: "channel" });
    const count = all >= 16 ? 4 : all >= 4 ? 2 : 1, side = 48 / count;
    const image = new ImageData(48, 48), out = new Uint32Array(image.data.buffer);
    for (let n = 0; n < count * count; n++) {
      const i = Math.floor(n * all / count ** 2), lut = lutOf(usual, plate, i), dark = isConstant(plate, i) && lut[LEVELS];
      const at = Math.floor(n / count) * side * 48 + n % count * side, { width, height } = plate;
      for (let y = 0; y < side - 1; y++) {
        const row = (i * height + Math.floor(y * height / (side - 1))) * width;
        for (let x = 0; x < side - 1; x++) {
          out[at + y * 48 + x] = dark || lut[unpacked.pixels[row + Math.floor(x * width / (side - 1))]];
        }
      }
    }
    put(made.firstChild, image);
  }

  function markLayer() {
    for (const [key, made] of frames) made.setAttribute("aria-selected", key === chosen.layer);
    const made = frames.get(chosen.layer);
    if (!made?.isConnected) return film.removeAttribute("aria-activedescendant");
    film.setAttribute("aria-activedescendant", made.id);
    reveal(film, made.offsetTop, made.offsetHeight);
    film.scrollLeft = within(film.scrollLeft, made.offsetLeft + made.offsetWidth - film.clientWidth, made.offsetLeft);
  }

  // scrollIntoView would move the notebook too.
  function reveal(box, top, height) {
    box.scrollTop = within(box.scrollTop, top + height - box.clientHeight, top);
  }

  // ---- what is chosen

  function tell(what, value) {
    if (kernel && !same(kernel.get(what), value)) kernel.set(what, value);
  }

  function set(some) {
    settings = { ...settings, ...some };
    tell("settings", settings);
    arrange();
  }

  function go(key, channel = chosen.channel) {
    const layer = layers().find((one) => one.key === key), before = plateOf(layerNow());
    if (!layer) return;
    const plate = plateOf(layer), position = same(plate?.full, before?.full) ? chosen.position : null;
    choose({ layer: key, channel: !plate || plate.channels.includes(channel) ? channel : plate.channels[0], position }, true);
  }

  function choose(some, shows = false) {
    const { layer, sample } = chosen;
    Object.assign(chosen, some);
    note = "";
    hover = shows ? null : hover;
    for (const what in some) tell(what, some[what]);
    if (chosen.layer !== layer || chosen.sample !== sample) load();
    else redraw(shows);
    wonder();
  }

  function follow(what, content, buffers) {
    if (what === "message") return store.hear(content, buffers);
    const value = kernel.get(what);
    if (what === "_contents" || what === "_bytes") {
      if (!kernel.get("_contents")?.layers) return;
      store.fill(kernel.get("_contents"), kernel.get("_bytes"));
      store.tell(true);
    } else if (what === "settings" && !same(settings, { ...settings, ...value })) {
      settings = { ...settings, ...value };
      arrange();
    } else if (what in chosen && !same(chosen[what], value)) {
      chosen[what] = value;
      hover = null;
      if (what === "layer" || what === "sample") load();
      else redraw(what === "channel");
      wonder();
    } else redraw();
  }

  function refresh(changed) {
    if (changed) {
      exact = {};
      fillFilm();
      load();
    } else redraw();
  }

  // Unpack what is chosen; what was shown stays until then.
  async function load() {
    const layer = layerNow(), mine = turn = {}, sample = sampleOf(layer), plate = layer.plates[sample], before = shown?.layer.key;
    chosen.layer = layer.key;
    markLayer();
    const unpacked = plate && await store.picture(plate.id).catch((error) => { note = error.message; });
    if (turn !== mine || signal.aborted) return;
    hover = null;
    shown = unpacked ? { layer, plate, picture: unpacked, sample } : null;
    missing = unpacked ? "" : layer.reason ? `No picture: ${layer.reason}`
      : alive() ? `Sample ${sample} is asked of the kernel …` : `Sample ${sample} did not travel here, and there is no kernel to ask.`;
    if (before !== layer.key) grid.scrollTop = 0;
    arrange(before !== layer.key);
    wonder();
    if (!plate && !layer.reason && alive()) fetchPlate(layer, sample, mine);
  }

  async function fetchPlate(layer, sample, mine) {
    const { content, buffers } = await kernel.ask({ ask: "plate", layer: layer.key, sample });
    if (content.plate) {
      layer.plates[sample] = content.plate;
      if (content.image) store.contents.images[sample] = content.image;
      store.take(content.ids, buffers);
      if (turn === mine) load();
    } else if (turn === mine) {
      missing = content.error;
      redraw();
    }
  }

  // ---- drawing

  // Order and colours are worked out again.
  function arrange(shows = false) {
    tick++;
    if (shown) {
      colours = coloursOf(store, shown.layer, shown.plate, shown.picture, settings);
      sorted = sort(shown.plate);
    }
    redraw(shows);
  }

  function sort(plate) {
    const { topk } = settings, places = [...plate.channels.keys()], { mean, absmean, high, std, zeros, nan, order: alike } = plate;
    by = topk && settings.sort === "index" ? "absmean" : settings.sort === "similar" && !alike ? "index" : settings.sort;
    const ranks = { mean, absmean, max: high, std, sparsity: zeros, similar: plate.channels.map((n) => -alike?.indexOf(n)) }[by];
    const rank = (i) => (nan[i] && by !== "similar" && by !== "sparsity" ? null : ranks[i]) ?? -Infinity;
    if (ranks) places.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) > rank(b) ? -1 : 1));
    return topk ? places.slice(0, topk) : places;
  }

  function redraw(shows = false) {
    reveals ||= shows;
    frame ??= requestAnimationFrame(() => {
      frame = null;
      drawControls();
      drawGrid();
      drawChosen();
      drawPins();
      drawMark();
    });
  }

  function drawControls() {
    const layer = layerNow(), calls = layers().filter(({ path }) => path === layer.path);
    controls.Call.replaceChildren(...calls.map(({ key, path, call, calls: all }) => new Option(
      `${call} of ${all}${key.slice(path.length).replace(/:\d+/, "").replace(/^(?=.)/, " ")}`, key)));
    controls.Call.disabled = calls.length < 2;
    controls.Sample.max = Math.max(0, layer.samples - 1);
    controls.Sample.disabled = !(layer.samples > 1);
    controls.Opacity.disabled = !layer.spatial;
    controls.Sort.lastChild.disabled = !shown?.plate.order;
    const values = { Layer: layer.key, Call: layer.key, Sample: sampleOf(layer), Input: given("input") ?? 0 };
    for (const [label, control] of Object.entries(controls)) { // what is being typed stays
      const value = values[label] ?? settings[control.setting];
      if (control !== document.activeElement || control.type !== "number") control.value = value;
    }
  }

  // A tile in CSS pixels: whole pixels to a value wherever there is room.
  function measured({ width, height }) {
    const room = Math.max(40, grid.clientWidth - 12), least = Math.ceil(48 / Math.min(width, height));
    const zoom = settings.zoom || Math.max(1, Math.min(least, Math.floor(room / width), Math.floor(320 / height)));
    const wide = settings.zoom ? width * zoom : Math.min(room, width * zoom), tall = Math.max(8, Math.round(height * wide / width));
    const labelled = wide >= 24;
    return { zoom, wide, tall, labelled, columns: Math.max(1, Math.floor((room + 6) / (wide + 6))), across: wide + 6, down: tall + (labelled ? 22 : 10) };
  }

  function drawGrid() {
    const { key, kind, shape, dtype = "", device = "", words = [] } = layerNow();
    write(title, [key, `${kind} ${shape} ${dtype} ${device}`, ...words].join(" · "));
    title.title = title.textContent;
    best = shown && strongestOf(shown.layer);
    bestHere.hidden = !best;
    if (best) write(bestHere, `strongest here: channel ${best.text}`);
    write(told, shown ? "" : missing);
    spare.push(...tiles.values());
    tiles.clear();
    if (shown) drawTiles();
    for (const tile of spare) tile.remove();
  }

  // Only the tiles in sight are there.
  function drawTiles() {
    size = measured(shown.plate);
    const { columns, down, wide, tall } = size, { style } = spacer, at = channelPlace();
    style.height = `${Math.ceil(sorted.length / columns) * down}px`;
    style.width = columns > 1 ? "" : `${wide}px`;
    style.setProperty("--fm-wide", `${wide}px`);
    style.setProperty("--fm-tall", `${tall}px`);
    spacer.classList.toggle("fm-smooth", wide < shown.plate.width);
    if (reveals && at >= 0) reveal(grid, Math.floor(at / columns) * down, down + 12);
    reveals = false;
    const first = Math.max(0, Math.floor(grid.scrollTop / down) - 1) * columns;
    const last = Math.min(sorted.length, Math.ceil((grid.scrollTop + grid.clientHeight) / down + 1) * columns);
    const strength = shown.plate.channels.reduce((top, _, i) => Math.max(top, mostOf(shown.plate, i)), 0) || 1;
    const ready = new Map(spare.map((tile) => [tile.drawn, tile])), places = sorted.slice(first, last);
    const wanted = places.map((i) => `${tick} ${shown.plate.channels[i]}`);
    spare = spare.filter((tile) => !wanted.includes(tile.drawn));
    places.forEach((i, n) => tiles.set(i, ready.get(wanted[n]) ?? drawTile(spare.pop() ?? newTile(), i, wanted[n], strength)));
    places.forEach((i, n) => placeTile(tiles.get(i), i, first + n));
    const tile = tiles.get(sorted[at]);
    if (tile) grid.setAttribute("aria-activedescendant", tile.id);
    else grid.removeAttribute("aria-activedescendant");
  }

  function newTile() {
    const hide = { "aria-hidden": true };
    return make("div.fm-tile", { role: "option" }, make("div.fm-pic", {}, make("canvas", hide)), make("i", hide), make("span", hide));
  }

  function drawTile(tile, i, key, strength) {
    const { plate, picture: unpacked } = shown, channel = plate.channels[i], [pic, bar, label] = tile.children;
    tile.drawn = key;
    tile.id = `${name}-channel-${channel}`;
    tile.dataset.channel = channel;
    tile.setAttribute("aria-label", `${channel}: ${describe(plate, i)}`);
    tile.setAttribute("aria-setsize", sorted.length);
    pic.shows = { ...shown, channel };
    const signs = [channel, plate.nan[i] && "×", plate.inf[i] && "↑", isConstant(plate, i) && `= ${short(plate.low[i], 2)}`];
    write(label, size.labelled ? signs.filter((sign) => sign || sign === channel).join(" ") : "");
    bar.style.width = `${mostOf(plate, i) / strength * 100}%`;
    paint(pic.firstChild, colours, plate, unpacked, i);
    return tile;
  }

  function placeTile(tile, i, place) {
    const { columns, across, down } = size;
    tile.style.transform = `translate(${place % columns * across}px, ${Math.floor(place / columns) * down}px)`;
    tile.setAttribute("aria-selected", shown.plate.channels[i] === chosen.channel);
    tile.setAttribute("aria-posinset", place + 1);
    if (!tile.isConnected) spacer.append(tile);
  }

  function describe(plate, i) {
    const { low, high, nan, inf } = plate, range = isConstant(plate, i) ? `one value: ${short(low[i])}`
      : low[i] === null ? "no finite value" : `${short(low[i])} to ${short(high[i])}`;
    return [range, nan[i] && `${nan[i]} NaN`, inf[i] && `${inf[i]} infinite`].filter(Boolean).join(", ");
  }

  function drawChosen() {
    const { channel } = chosen, i = shown ? shown.plate.channels.indexOf(channel) : -1, there = i >= 0;
    const key = `${tick} ${channel} ${large.parentNode.clientWidth}`, isPinned = Boolean(pins.find(isChosen));
    root.classList.toggle("fm-none", !there);
    write(heading, `channel ${channel}`);
    write(pinner, isPinned ? "unpin" : "pin");
    pinner.setAttribute("aria-pressed", isPinned);
    large.shows = there ? { ...shown, channel } : null;
    if (shown) missing = there ? "" : `Channel ${channel} is not among the ${shown.plate.channels.length} that are here.`;
    if (!there || drawn === key) return;
    drawn = key;
    const { plate, picture: unpacked } = shown, { width, height, prefix } = plate;
    const zoom = within(Math.floor(large.parentNode.clientWidth / Math.max(width, height)), 1, 24);
    large.style.setProperty("--fm-ratio", `${width} / ${height}`);
    large.style.setProperty("--fm-wide", `${zoom * width}px`);
    paint(large.firstChild, colours, plate, unpacked, i);
    large.firstChild.setAttribute("aria-label", `${shown.layer.key}, channel ${channel}: ${describe(plate, i)}`);
    const rows = { range: describe(plate, i), mean: short(plate.mean[i]), std: short(plate.std[i]), "mean |x|": short(plate.absmean[i]),
      zeros: percent(plate.zeros[i]) };
    prefix?.names.slice(0, 8).forEach((token, n) => { rows[token] = short(prefix.values[i][n]); });
    figures.replaceChildren(...Object.entries(rows).flatMap(([what, text]) => [make("dt", {}, what), make("dd", {}, text)]));
    drawHistogram(plate, unpacked, i);
    drawInput(plate, unpacked, i);
  }

  // Bars in the colours of their values: a colour bar too.
  function drawHistogram(plate, unpacked, i) {
    const counts = countsOf(unpacked, plate, i), context = histogram.getContext("2d"), lut = lutOf(colours, plate, i), bars = [];
    for (let code = 0; code < LEVELS; code++) bars[code >> 2] = (bars[code >> 2] ?? 0) + counts[code];
    context.clearRect(0, 0, LEVELS, 56);
    bars.forEach((count, bar) => {
      const [r, g, b] = parts(lut[bar * 4 + 2]), tall = count && Math.max(1, Math.sqrt(count / Math.max(...bars)) * 50);
      context.fillStyle = `rgb(${r},${g},${b})`;
      context.fillRect(bar * 4, 50 - tall, 4, tall);
      context.fillRect(bar * 4, 52, 4, 4);
    });
    histogram.setAttribute("aria-label", `histogram of ${describe(plate, i)}`);
    ends.replaceChildren(...[plate.low[i], plate.high[i]].map((end) => make("span", {}, short(end, 3))));
  }

  const parts = (rgba) => [rgba & 255, rgba >> 8 & 255, rgba >> 16 & 255];

  // The larger the magnitude, the more opaque: 0 is transparent, as in overlay.py.
  async function drawInput(plate, unpacked, i) {
    const { layer, sample } = shown, about = store.contents.images[sample], mine = drawn, { centred, gamma, ranges, place } = colours;
    inputBox.hidden = !about;
    const photo = about && await store.picture(about.id);
    if (!photo || drawn !== mine || signal.aborted) return;
    const lut = lutOf(colours, plate, i), [low, high] = ranges[i], most = Math.max(-low, high) || 1;
    const opacity = Float32Array.from(lut, (_, code) => {
      const t = code < LEVELS ? place(i, valueOf(plate, i, code)) : Number(code > CONSTANT);
      return settings.alpha * (code > LEVELS ? t : centred ? Math.abs(2 * t - 1) : gamma === 1 ? Math.abs(low + t * (high - low)) / most : t);
    });
    const { width, height, pixels } = photo, image = new ImageData(width, height), out = image.data.fill(255);
    for (let y = 0, at = 0; y < height; y++) {
      const row = (i * plate.height + Math.floor(y * plate.height / height)) * plate.width;
      for (let x = 0; x < width; x++, at++) {
        const code = unpacked.pixels[row + Math.floor(x * plate.width / width)], over = layer.spatial && code !== LEVELS ? opacity[code] : 0;
        for (let j = 0; j < 3; j++) out[4 * at + j] = pixels[3 * at + j] * (1 - over) + (lut[code] >> 8 * j & 255) * over;
      }
    }
    put(input.firstChild, image);
    input.style.setProperty("--fm-ratio", `${width} / ${height}`);
    drawMark();
  }

  // ---- pins

  function isChosen({ layer, channel, sample }) {
    return layer === chosen.layer && channel === chosen.channel && sample === shown?.sample;
  }

  function pin() {
    const before = pins.find(isChosen);
    if (before) unpin(before);
    if (before || !large.shows) return;
    const { layer, channel } = chosen, { sample } = shown, what = `${layer}, channel ${channel}`, pic = picture("", what);
    const made = { layer, channel, sample, pic, words: make("span") };
    made.element = make("div.featmagic-pin", { "data-channel": channel, "data-layer": layer }, make("div", {},
      make("b", {}, `${layer} · ${channel}`), button("button", "×", () => unpin(made), { "aria-label": `unpin ${what}` })), pic, made.words);
    on(pic, "click", () => go(layer, channel));
    pins.push(made);
    pinned.append(made.element);
    redraw();
    if (alive()) kernel.ask({ ask: "channel", layer, channel, sample }).then(({ content }) => {
      made.exact = content.error ? null : content;
      redraw();
    });
  }

  function unpin(old) {
    old.element.remove();
    pins = pins.filter((one) => one !== old);
    redraw();
  }

  async function drawPins() {
    for (const one of pins) {
      const layer = layers().find(({ key }) => key === one.layer), plate = layer?.plates[one.sample];
      const i = plate ? plate.channels.indexOf(one.channel) : -1, { low, high, mean, std } = one.exact ?? {};
      if (i < 0) continue;
      write(one.words, one.exact ? `${short(low, 7)} to ${short(high, 7)}, mean ${short(mean, 7)}, std ${short(std, 7)}`
        : `${describe(plate, i)}, mean ${short(plate.mean[i])}`);
      if (one.tick === tick) continue;
      one.tick = tick;
      const unpacked = await store.picture(plate.id);
      if (!unpacked || signal.aborted) return;
      one.pic.shows = { layer, plate, picture: unpacked, channel: one.channel, sample: one.sample };
      one.pic.style.setProperty("--fm-ratio", `${plate.width} / ${plate.height}`);
      paint(one.pic.firstChild, coloursOf(store, layer, plate, unpacked, settings), plate, unpacked, i);
    }
  }

  // ---- the place that is read

  function placeIn(pic, { clientX, clientY }) {
    const box = pic.firstChild.getBoundingClientRect(), parts = [(clientY - box.top) / box.height, (clientX - box.left) / box.width];
    return pic.shows.plate.full.map((side, axis) => within(Math.floor(parts[axis] * side), 0, side - 1));
  }

  function point(event) {
    const pic = event.type === "pointermove" && event.target.closest(".fm-pic");
    if (!pic?.shows && !hover) return;
    hover = pic?.shows ? { ...pic.shows, position: placeIn(pic, event) } : null;
    wonder();
    status.setAttribute("aria-live", "off"); // no screen reader is told of each step
    marking ??= requestAnimationFrame(drawMark);
  }

  // What the pointer is on, else the chosen channel at the chosen place.
  function reading() {
    return hover ?? (large.shows && { ...large.shows, position: chosen.position });
  }

  // One write moves the mark in all tiles: they are placed by the root's properties.
  function drawMark() {
    const read = reading(), at = read?.position, full = read?.plate.full;
    marking = null;
    if (!hover) status.setAttribute("aria-live", "polite");
    root.classList.toggle("fm-marked", Boolean(at) && !isSingle(read.plate));
    if (at) Object.entries({ x: at[1] / full[1], y: at[0] / full[0], w: 1 / full[1], h: 1 / full[0] })
      .forEach(([side, part]) => root.style.setProperty(`--fm-${side}`, part));
    if (shown) drawField(at && at.map((n, axis) => Math.floor(n / full[axis] * shown.plate.full[axis])));
    say();
  }

  function drawField(at) {
    const { layer: { field: known, spatial }, plate, sample } = shown, image = store.contents.images[sample];
    if (!image) return;
    field.hidden = !at || !spatial;
    write(inputWords, [!spatial ? "these do not lie over the input" : known ? `receptive field ${known[0]} × ${known[1]} pixels`
      : "place by proportion: the field is not known", image.words].filter(Boolean).join(" · "));
    ["top", "left"].forEach((side, axis) => {
      const whole = known ? image.full[axis] : plate.full[axis], n = field.hidden ? 0 : at[axis];
      field.style[side] = `${(known ? known[4 + axis] + n * known[2 + axis] : n) / whole * 100}%`;
      field.style[["height", "width"][axis]] = `${(known ? known[axis] : 1) / whole * 100}%`;
    });
  }

  const nameOf = ({ layer, sample, channel, position }) => `${layer.key}/${sample}/${channel}/${position}`;

  // The kernel has the value itself: it is asked once the pointer rests.
  function wonder() {
    const read = reading();
    clearTimeout(waiting);
    if (alive() && read?.position && exact.name !== nameOf(read)) waiting = setTimeout(async () => {
      const { layer, channel, sample, position } = read;
      const { content } = await kernel.ask({ ask: "value", layer: layer.key, channel, sample, position });
      if (signal.aborted || !("value" in content)) return;
      exact = { name: nameOf(read), value: Number(String(content.value).replace("inf", "Infinity")) };
      drawMark();
    }, 100);
  }

  // Where in the tensor a place of a channel's plane is.
  function indexOf({ reach: { shape, steps } }, channel, [y, x]) {
    let rest = steps[0] + channel * steps[1] + y * steps[2] + x * steps[3];
    return shape.toReversed().map((side) => [rest % side, rest = Math.floor(rest / side)][0]).reverse();
  }

  function valueAt(read) {
    const { layer, plate, picture: { pixels }, channel, position } = read, { shrink } = plate, i = plate.channels.indexOf(channel);
    const known = exact.name === nameOf(read), where = plate.reach && (known || shrink === 1)
      ? `${layer.key}[${indexOf(plate, channel, position).join(", ")}]`
      : `${layer.key}, channel ${channel}, row ${position[0]}, column ${position[1]}`;
    if (known) return `${where} = ${short(exact.value, 7)}`;
    const [y, x] = position.map((n) => Math.floor(n / shrink)), code = pixels[(i * plate.height + y) * plate.width + x];
    if (code in STRANGE) return `${where} = ${short(STRANGE[code])}`;
    if (code >= LEVELS) return `${where}: nothing is there`;
    const half = (plate.high[i] - plate.low[i]) / (2 * (LEVELS - 1)), value = valueOf(plate, i, code);
    const digits = Math.floor(Math.log10(Math.abs(value) || half)) - Math.floor(Math.log10(half)) + 2;
    return (half ? `${where} = ${short(value, digits)} ± ${short(half, 2)} (half a step)` : `${where} = ${short(value)}`)
      + (shrink > 1 ? `, a mean of ${shrink} × ${shrink}` : "");
  }

  function say() {
    const read = reading(), { contents, busy } = store, layer = layerNow(), { samples, call, calls, of, noun } = layer;
    const { robust, gamma, zoom, alpha } = settings, all = shown?.plate.channels.length, some = sorted.length;
    write(value, !read ? missing : read.position ? valueAt(read)
      : `${read.layer.key}, channel ${read.channel}: ${describe(read.plate, read.plate.channels.indexOf(read.channel))}`);
    const drawing = shown ? [
      `sample ${shown.sample} of ${samples}`, calls > 1 && `call ${call} of ${calls}`,
      contents.inputs > 0 && `input ${given("input") ?? "as it was"}`, colours.cmap + (colours.centred ? " around 0" : ""),
      colours.own ? "each channel its own range" : `one range: ${colours.ranges[0].map((end) => short(end, 3)).join(" to ")}`,
      robust ? `${robust} % left out at each end` : "no value left out", `gamma ${gamma}`,
      `by ${by}, ${some < all ? `first ${some} of ${of}` : all < of ? `${all} of ${of}` : `all ${all}`} ${noun}`,
      `zoom × ${size.zoom}${zoom ? "" : " (auto)"}`, layer.spatial && `opacity ${alpha}`,
    ] : [];
    write(says, [note, busy && "the model runs …", read && missing, ...drawing, ...(contents.words ?? [])].filter(Boolean).join(" · "));
  }

  // ---- keys

  function press(event) {
    event.stopPropagation(); // a notebook has keys of one letter
    const { key, target } = event, is = target.tagName;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape") escape();
    else if (target === finder && (key === "Enter" || key === "ArrowDown")) {
      if (key === "Enter") go(inFilm[0]?.key);
      film.focus();
    } else if (is === "INPUT" || is === "SELECT" || (is === "BUTTON" && (key === "Enter" || key === " "))) return;
    else if (!act(key, event.shiftKey, target === film)) return;
    event.preventDefault();
  }

  function act(key, shift, inTheFilm) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
    const acts = {
      "[": () => stepLayer(-1), "]": () => stepLayer(1), "+": () => zoomBy(1), "=": () => zoomBy(1), "-": () => zoomBy(-1),
      "/": () => finder.select(), Enter: pin, c: copy, "?": toggleKeys, Home: () => move(-1e9), End: () => move(1e9),
    };
    if (step && shift) shiftPlace(step);
    else if (step && inTheFilm) stepLayer(step[0] + step[1]);
    else if (step) move(step[1] + step[0] * (size?.columns ?? 1), step[0]);
    else if (acts[key]) acts[key]();
    return Boolean(step || acts[key]);
  }

  function stepLayer(by) {
    const next = inFilm[within(inFilm.findIndex(({ key }) => key === chosen.layer) + by, 0, inFilm.length - 1)];
    if (next && next.key !== chosen.layer) go(next.key);
  }

  function move(by, down = 0) {
    const at = shown ? channelPlace() : -1, to = within(at + by, 0, sorted.length - 1);
    if (shown && (!down || at + by === to)) choose({ channel: shown.plate.channels[sorted[to]] }, true);
  }

  function shiftPlace(step) {
    if (!large.shows) return;
    const { full, shrink } = shown.plate, from = chosen.position ?? full.map((side) => side >> 1);
    choose({ position: from.map((n, axis) => within(n + step[axis] * shrink, 0, full[axis] - 1)) }, true);
  }

  function zoomBy(by) {
    if (size) set({ zoom: within(size.zoom + by, 1, 64) });
  }

  function toggleKeys() {
    if (keys.hidden) from = document.activeElement;
    keys.hidden = !keys.hidden;
    (keys.hidden ? from : keys).focus();
  }

  function escape() {
    if (!keys.hidden) return toggleKeys();
    if (!finder.value) return choose({ position: null });
    finder.value = "";
    orderFilm();
  }

  // feature_maps["layer2.0.conv1"][0, 41]: what is the same in all of the plane.
  function codeOf() {
    const { plate, channel } = large.shows ?? {}, code = `${store.contents.maps}[${JSON.stringify(chosen.layer)}]`;
    if (!plate?.reach) return code;
    const [first, last] = [[0, 0], plate.full.map((side) => side - 1)].map((place) => indexOf(plate, channel, place));
    const steps = first.map((n, axis) => (n !== last[axis] ? `${n || ""}:` : plate.reach.shape[axis] > 1 || axis < 2 ? n : ":"));
    while (steps.at(-1) === ":") steps.pop();
    return steps.length ? `${code}[${steps.join(", ")}]` : code;
  }

  async function copy() {
    const code = codeOf(), before = document.activeElement;
    await Promise.resolve().then(() => navigator.clipboard.writeText(code)).catch(() => { // not in every frame
      const area = make("textarea", {}, code);
      root.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      before?.focus();
    });
    note = `copied ${code}`;
    redraw();
  }

  element.append(root);
  store.views.add(refresh);
  const unfollow = kernel?.on?.(follow);
  resizing.observe(grid);
  fillFilm();
  load();

  return () => {
    stopping.abort();
    store.views.delete(refresh);
    unfollow?.();
    resizing.disconnect();
    watching.disconnect();
    clearTimeout(waiting);
    cancelAnimationFrame(frame);
    cancelAnimationFrame(marking);
    root.remove();
  };
}

// ---- doors ---------------------------------------------------------------------------------------

/** Builds the explorer inside `element`; what comes back takes it down. */
export function mount(element, contents, bytes, kernel = null) {
  return explore(element, new Store(contents, bytes), kernel);
}

// By its contents: anywidget hands each view of a widget another model.
const stores = new WeakMap();
function storeOf(model) {
  const contents = model.get("_contents");
  if (!stores.has(contents)) stores.set(contents, new Store(contents, model.get("_bytes")));
  return stores.get(contents);
}

let number = Math.floor(Math.random() * 2 ** 30); // not that of another explorer's question
function kernelOf(model) {
  const answers = new Map(); // those that never come are never missed
  return {
    get: (name) => model.get(name),
    set(name, value) {
      model.set(name, value);
      model.save_changes();
    },
    ask: (message) => new Promise((resolve) => {
      answers.set(++number, resolve);
      model.send({ ...message, id: number });
    }),
    on(listener) {
      const names = ["layer", "channel", "sample", "position", "input", "settings", "_contents", "_bytes", "_alive"];
      const listeners = names.map((name) => [`change:${name}`, () => listener(name)]);
      listeners.push(["msg:custom", (content, buffers) => {
        answers.get(content.answer)?.({ content, buffers });
        answers.delete(content.answer);
        listener("message", content, buffers);
      }]);
      for (const [name, hear] of listeners) model.on(name, hear);
      return () => listeners.forEach(([name, hear]) => model.off(name, hear));
    },
  };
}

export default {
  initialize({ model }) {
    model.on("msg:custom", (content, buffers) => storeOf(model).hear(content, buffers)); // with no view too
    model.send({ ask: "here" });
  },
  render: ({ model, el }) => (model.get("_contents")?.layers ? explore(el, storeOf(model), kernelOf(model)) : undefined),
};
