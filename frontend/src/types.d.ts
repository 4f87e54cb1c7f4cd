// What the modules hand to each other. The document is described in featmagic/explorer/schema.py.

export interface Reach {
	shape: number[];
	steps: number[];
}

/** A slice of a volume, or what is made of all of them; null where there is no volume. */
export type Slice = number | "mean" | "mip" | null;

/** The planes of one layer and sample: text beside a gray PNG of all planes under each other. */
export interface Plate {
	id: string;
	height: number;
	width: number;
	full: [number, number];
	shrink: number;
	channels: number[];
	low: (number | null)[];
	high: (number | null)[];
	mean: (number | null)[];
	std: (number | null)[];
	absmean: (number | null)[];
	zeros: (number | null)[];
	nan: number[];
	inf: number[];
	order: number[] | null;
	reach: Reach | null;
	prefix: { names: string[]; values: (number | null)[][] } | null;
	slice: Slice;
	slice_words: string;
	made_of: { reach: Reach; axis: number } | null;
}

/** What runs down and across the pictures of a layer: `AxesText` in the document. */
export interface Axes {
	down: string;
	across: string;
	fold: string;
	row: number;
	count: number;
	numbers: number[] | null;
}

/** What queries and keys stand for: `AttentionText` in the document. */
export interface Attention {
	grid: [number, number] | null;
	prefix: string[];
	on_input: boolean;
	queries: number;
	keys: number;
}

export interface Layer {
	key: string;
	code: string;
	path: string;
	call: number;
	calls: number;
	kind: string;
	convolution: boolean;
	shape: string;
	dtype: string;
	device: string;
	reason: string | null;
	plates: Record<string, Plate>;
	first: string;
	words: string[];
	noun: string;
	item: string;
	axes: Axes;
	of: number;
	samples: number;
	slices: number;
	attention: Attention | null;
	dead: number;
	dead_of: number;
	nan: number;
	inf: number;
	spatial: boolean;
	signed: boolean;
	field: number[] | null;
}

export interface InputImage {
	id: string;
	height: number;
	width: number;
	full: [number, number];
	words: string;
}

export interface Settings {
	cmap: string;
	scale: string;
	robust: number;
	gamma: number;
	sort: string;
	topk: number;
	zoom: number;
	alpha: number;
	shared: boolean;
	/** Other rows of `SETTINGS`. */
	[name: string]: any;
}

/** A `Control` of featmagic/explorer/settings.py. */
export interface ControlText {
	name: string;
	kind: "choice" | "number" | "slider" | "toggle";
	label: string;
	tooltip: string;
	choices: string[];
	limits: [number, number, number] | null;
	placeholder: string;
	key: string;
	help: string;
	applies: string;
	needs: Record<string, string>;
	place: "bar" | "input" | "pins";
}

/** A row of `FINDS` in featmagic/explorer/finds.py. */
export interface FindText {
	name: string;
	label: string;
	tooltip: string;
	key: string;
	help: string;
}

/** Keys that belong together, of featmagic/explorer/words.py. */
export interface KeysText {
	shown: string;
	help: string;
	keys: Record<string, [string, number]>;
}

/** A row of the tree of layers: a layer, or the header of a module without an output. */
export interface TreeRow {
	name: string;
	level: number;
	layer: string | null;
	parent: number | null;
	end: number;
}

export interface Contents {
	layers: Layer[];
	tree: TreeRow[];
	cmaps: Record<string, string>;
	diverging: string[];
	special: Record<string, [number, number, number]>;
	levels: number;
	codes: Record<string, number>;
	selectors: ControlText[];
	controls: ControlText[];
	finds: FindText[];
	keys: KeysText[];
	tips: Record<string, string>;
	settings: Settings;
	start: { layer: string; channel: number; sample: number; slice?: Choice["slice"] };
	inputs: number;
	input: number | null;
	maps: string;
	images: Record<string, InputImage>;
	words: string[];
}

/** How bytes of planes are to be read: how many are levels, and what the others mean. */
export interface Coding {
	levels: number;
	last: number;
	codes: Record<string, number>;
}

/** The bytes of a plate, unpacked, and how often each byte comes in each plane, once asked. */
export interface Picture {
	pixels: Uint8Array;
	counts: Uint32Array[];
}

/** Rows of values and columns of a plane: row and column. */
export type Position = [number, number];

export interface Choice {
	layer: string;
	channel: number;
	sample: number;
	slice: number | "mid" | "mean" | "mip";
	position: Position | null;
}

/** A layer's planes of one sample, unpacked. */
export interface Shown {
	layer: Layer;
	plate: Plate;
	picture: Picture;
	sample: number;
}

/** One plane of what is shown; `i` is its place among the planes that are here. */
export interface ShownChannel extends Shown {
	channel: number;
	i: number;
}

/** A place in one plane. */
export interface Reading extends ShownChannel {
	position: Position | null;
}

/** The colors of a layer: 256 for each plane, by what `lutOf` makes of them. */
export interface Colors {
	name: string;
	centered: boolean;
	own: boolean;
	ranges: [number, number][];
	gamma: number;
	place: (i: number, value: number) => number;
	table: Uint32Array;
}

export interface Strongest {
	layer: Layer;
	channel: number;
	i: number;
	most: number;
	/** Whether it is the highest value, and not the lowest. */
	isHigh: boolean;
	end: string;
}

export interface Pin {
	layer: string;
	channel: number;
	sample: number;
	slice: Slice;
	/** What the figures are of. */
	plate: Plate | null;
	exact: { low: number; high: number; mean: number; std: number } | null;
}

/** The size and the places of the tiles in the grid, in CSS pixels. */
export interface Tiling {
	zoom: number;
	wide: number;
	tall: number;
	columns: number;
	down: number;
	fits: boolean;
}

export interface Answer {
	content: any;
	buffers: (DataView | Uint8Array)[];
}

/** The way to the kernel, while there is one. */
export interface Kernel {
	get(name: string): any;
	set(name: string, value: unknown): void;
	ask(message: object): Promise<Answer>;
	on?(listener: (name: string) => void): () => void;
}

/** An element that shows one plane; the place under the pointer is read from it. */
export interface PlaneBox extends HTMLElement {
	shows?: ShownChannel | null;
}
