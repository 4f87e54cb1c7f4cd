"""No text of a model, a class, a key or a file reaches a medium unescaped, through any channel."""

from __future__ import annotations

import ast
import json
import warnings
import zipfile
from contextlib import suppress
from functools import cache
from io import StringIO
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from helpers.hostile import (
    TEXTS,
    assert_harmless,
    class_named,
    hostile_maps,
    hostile_model,
    joined,
)
from helpers.pages import Saved
from helpers.shells import Shell
from IPython.core.completer import provisionalcompleter
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.utils.capture import capture_output
from matplotlib.text import Text

import featmagic
from featmagic.explorer.open import open_explorer
from featmagic.explorer.session import open_session
from featmagic.explorer.terminal.layer_table import layer_entries
from featmagic.explorer.terminal.screen import compose_screen
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.feature_maps import VIEWS
from featmagic.files.paths import SUFFIXES, saved_line
from featmagic.ipython.look import _hint
from featmagic.ipython.magics import FeatMagics
from featmagic.ipython.watch import kept_in
from featmagic.options.view import View
from featmagic.recording.diagnostics import missing_lines
from featmagic.recording.failure import failure_line
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Request
from featmagic.recording.selectors import select
from featmagic.render.target import RENDERERS, Target
from featmagic.support.errors import FeatmagicError, one_line

CHANNELS = {}

# Channels that take a second for each text: they get several in one.
SLOW = ("save .svg", "save .pdf", "a matplotlib figure")

# Where a name has to stay whole, however long it is.
WHOLE = ("save .npz", "save .safetensors", "save .html", "the explorer's document",
         "the explorer's widget")  # fmt: skip


def channel(*names):
    """Register a function that sends a text and returns what reached the medium, by its names."""

    def register(function):
        CHANNELS.update(dict.fromkeys(names, function))
        return function

    return register


@cache
def maps_of(text):
    return hostile_maps(text)


def activations_of(text):
    return list(maps_of(text).kept.activations.values())


@pytest.fixture(scope="module")
def ip():
    shell = Shell()
    yield shell
    shell.close()


@pytest.fixture
def place(ip, tmp_path, monkeypatch):
    """Where a channel finds the shell, a folder, and the page of a model without hostile texts."""
    publisher = CapturingDisplayPublisher()
    running = SimpleNamespace(display_pub=publisher)
    monkeypatch.setattr("featmagic.render.mime_bundle.running_shell", lambda: running)

    def published():
        """Return all texts of what was displayed, of its data and of its metadata."""
        outputs = [
            ({**each["data"], "image/png": ""}, each["metadata"]) for each in publisher.outputs
        ]
        publisher.outputs.clear()
        return list(all_texts(outputs))

    @cache
    def usual_page():
        return maps_of("plain").save(tmp_path / "plain.html")[0].read_bytes()

    return SimpleNamespace(shell=ip, folder=tmp_path, usual_page=usual_page, published=published)


def all_texts(value):
    """Yield every string in JSON, keys of objects too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, held in value.items():
            yield key
            yield from all_texts(held)
    elif isinstance(value, (list, tuple)):
        for held in value:
            yield from all_texts(held)


# What is shown


def shows(kind, renderer):
    def send(text, place):
        row = RENDERERS[renderer]
        viewport = row.viewport(80, 30, None)
        target = Target(row, 79, viewport, colors=2**24 if row.has_colors else 0)
        request = Request(activations_of(text), maps=maps_of(text))
        view = View(explore=kind == "explorer", overview=kind == "overview")
        with capture_output() as captured:
            VIEWS[kind].show(request, view, target)
        displayed = place.published()
        assert bool(displayed) == (renderer == "png")
        yield from displayed
        yield captured.stdout

    return send


for _kind in VIEWS:
    for _renderer in RENDERERS:
        _name = f"{_kind} as {_renderer}"
        CHANNELS[_name] = shows(_kind, _renderer)


@channel("an engine's client")
def _(text, place):
    target = Target(RENDERERS["none"], 79, engine=True)
    VIEWS["grid"].show(Request(activations_of(text)), View(), target)
    return place.published()


@channel("the explorer in a terminal")
def _(text, place):
    entries = layer_entries(activations_of(text), View())
    for colors in (0, 2**24):
        state = ExplorerState(entries, View(max=0), colors)
        for layer in range(len(entries)):
            state.choose_layer(layer)
            for line in compose_screen(state, 100, 24):
                yield "".join(part for _, part, *_ in line)
            state.change(sample="7")
            yield state.preview.caption


@channel("the explorer's document")
def _(text, place):
    session = open_session(activations_of(text), View(explore=True))
    document = session.shown.text
    json.dumps(document, ensure_ascii=False).encode()
    assert len(session.layers) == len(activations_of(text))
    assert [ast.literal_eval(each["code"]) for each in document["layers"]] == list(maps_of(text))
    yield from all_texts(document)
    with suppress_into(FeatmagicError) as failed:
        session.layer(text + "?")
    yield from failed


@channel("the explorer's widget")
def _(text, place):
    opened = open_explorer(activations_of(text), View(explore=True))
    state = opened.get_state()
    opened.close()
    yield from all_texts({**state, "_bytes": list(state["_bytes"]), "_esm": "", "_css": ""})
    yield opened._words


# What is saved


@channel("save .png")
def _(text, place):
    with capture_output() as captured:
        files = maps_of(text).save(place.folder / "a.png", overwrite=True)
        files += maps_of(text).save(place.folder / "o.png", overview=True, overwrite=True)
    for file in files:
        assert file.parent == place.folder
        assert b"tEXt" not in file.read_bytes()
        yield file.name
    yield from (captured.stdout, saved_line(files))
    with suppress_into(FeatmagicError) as failed:
        maps_of(text).save(place.folder / "a.png")
    yield from failed


@channel("save .svg")
def _(text, place):
    key = next(iter(maps_of(text)))
    for file in maps_of(text).save(place.folder / "a.svg", key, overwrite=True):
        root = ElementTree.parse(file).getroot()
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject", "}a"))]
        assert not [name for e in root.iter() for name in e.attrib if name.startswith("on")]
        yield "".join(root.itertext())
        yield from (value for element in root.iter() for value in element.attrib.values())
        yield file.name


@channel("save .pdf")
def _(text, place):
    key = next(iter(maps_of(text)))
    for file in maps_of(text).save(place.folder / "a.pdf", key, overwrite=True):
        written = file.read_bytes()
        assert not [word for word in (b"/JavaScript", b"/URI", b"/Launch") if word in written]
        yield file.name


@channel("save .html")
def _(text, place):
    (file,) = maps_of(text).save(place.folder / "a.html", overwrite=True)
    saved, usual = Saved(file.read_bytes()), Saved(place.usual_page())
    assert [tag for tag, _, _ in saved.elements] == [tag for tag, _, _ in usual.elements]
    assert [set(a) for _, a, _ in saved.elements] == [set(a) for _, a, _ in usual.elements]
    assert saved.policy == usual.policy
    yield from all_texts(saved.contents)
    yield from saved.images
    yield from (words for tag, _, words in saved.elements if tag in ("title", "p"))
    yield from (attributes.get("alt", "") for _, attributes, _ in saved.elements)


@channel("save .npz")
def _(text, place):
    with capture_output() as captured:
        (file,) = maps_of(text).save(place.folder / "a.npz", overwrite=True)
    with zipfile.ZipFile(file) as archive:
        members = archive.namelist()
        for member in members:
            for path in (PurePosixPath(member), PureWindowsPath(member)):
                assert not path.is_absolute()
                assert not path.drive
                assert ".." not in path.parts
    with np.load(file) as arrays:
        values = [arrays[key] for key in arrays]
    truth = [tensor.numpy() for tensor in maps_of(text).values()]
    assert all((value == true).all() for value, true in zip(values, truth, strict=True))
    yield from members
    yield captured.stdout


@channel("save .safetensors")
def _(text, place):
    load = pytest.importorskip("safetensors.torch").load_file
    with capture_output() as captured:
        (file,) = maps_of(text).save(place.folder / "a.safetensors", overwrite=True)
    loaded = load(file)
    assert len(loaded) == len(maps_of(text))
    yield from loaded
    yield captured.stdout


@channel("a file's name")
def _(text, place):
    name = text.replace("/", "_").replace("\0", "_")
    for path in (f"{place.folder}/{name}/a.png", f"{place.folder}/{name}", text):
        with suppress_into(FeatmagicError) as failed, capture_output() as captured:
            maps_of("plain").save(path, "conv")
        yield from failed
        yield captured.stdout


# What is said


@channel("a matplotlib figure")
def _(text, place):
    for key in maps_of(text):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = maps_of(text).figure(key)
            figure.savefig(StringIO(), format="svg")
        for axes in figure.axes:
            for words in filter(Text.get_text, (*axes.texts, axes._left_title)):
                assert not words.get_parse_math()
                assert not words.get_usetex()
                yield words.get_text()


@channel("captions of pictures and alt texts")
def _(text, place):
    yield from (caption for caption, _ in maps_of(text).pictures())
    yield from (caption for caption, _ in maps_of(text).pictures(overview=True))


@channel("the mapping itself")
def _(text, place):
    maps = maps_of(text)
    yield from (repr(maps), maps.shapes(), *maps.missing.values(), *missing_lines(maps.missing))
    with suppress_into(FeatmagicError) as failed:
        maps[text + "?"]
    yield from failed


@channel("an output that can't be read")
def _(text, place):
    class Unreadable(dict):
        def __len__(self):
            raise ValueError(text)

        __iter__ = items = keys = values = __getitem__ = __len__

    model = torch.nn.Sequential(class_named(text, forward=lambda self, x: Unreadable(a=x))())
    with featmagic.capture(model) as maps:
        model(torch.ones(1))
    yield from (repr(maps.missing), *missing_lines(maps.missing), *maps.missing.values())


@channel("a traceback's hint")
def _(text, place):
    def fails(self, x):
        raise ValueError("the user's own")

    model = torch.nn.Sequential(class_named(text, forward=fails)())
    model._modules[text] = model._modules.pop("0")
    recorder = Recorder(select(model, ()))
    with pytest.raises(ValueError, match="own") as raised, recorder:
        model(torch.ones(1))
    with capture_output() as captured:
        _hint(raised.value, failure_line(recorder, raised.value, kept_in("feature_maps")))
    yield from getattr(raised.value, "__notes__", [])
    yield captured.stdout


@channel("an error in one line")
def _(text, place):
    error = type("Error", (Exception,), {})(text)
    assert "\n" not in one_line(error)
    ours = FeatmagicError(text)
    yield from (one_line(error), str(ours), *ours._render_traceback_())


def says(*lines, layer="conv"):
    """Run lines of magics on the model, and return all that they show or raise."""

    def send(text, place):
        shell, names = place.shell, place.shell.names
        names.update(model=hostile_model(text), x=torch.rand(1, 1, 6, 6), text=text)
        names[text] = names["model"]
        for line in lines:
            result, printed = shell.attempt(line.replace("LAYER", layer))
            yield printed
            if result.error_in_exec is not None:
                error = result.error_in_exec
                assert isinstance(error, FeatmagicError), error
                assert "\n" not in str(error)
                yield from error._render_traceback_()
        shell.attempt("%unhook")
        names.pop(text, None)

    return send


CHANNELS["magic hook"] = says(
    "%hook model", "%hook model conv none", "model(x);", "%hook", "%hook nosuch", "%hook text a",
    "%hook x.nosuch", "%hook model nosuch", "x = 1", "%hook x",
)  # fmt: skip
CHANNELS["magic unhook"] = says("%hook model conv", "%unhook model", "%unhook nosuch", "%unhook")
CHANNELS["magic featuremaps"] = says(
    "%%featuremaps model\nmodel(x);",
    "%%featuremaps model none conv\nmodel(x);",
    "%%featuremaps model conv --overview\nmodel(x);",
    "%featuremaps model conv -- model(x);",
    "%featuremaps conv",
    "%featuremaps nosuch",
    "%featuremaps nosuch -- 1",
)


@channel("what is typed")
def _(text, place):
    place.shell.names.update(model=hostile_model("plain"), x=torch.rand(1, 1, 6, 6))
    for magic in ("hook", "unhook", "featuremaps"):
        for line in (text, f"model {text}", f"model '{text}'", f"model['{text}']", f"{text} -- 1"):
            # A statement that isn't Python is the user's own, and IPython shows it as such.
            own = suppress(SyntaxError)
            with own, suppress_into(FeatmagicError) as failed, capture_output() as captured:
                place.shell.ip.run_line_magic(magic, line)
            yield from failed
            yield captured.stdout
    place.shell.attempt("%unhook")


@channel("completion")
def _(text, place):
    names = place.shell.names
    model = hostile_model(text)
    names.update(model=model, feature_maps=maps_of(text), models={text: model})
    place.shell.ip.Completer.use_jedi = False
    for line in ("%hook model ", "%hook model C", "%hook models[", '%hook models["',
                 "%hook model['", 'feature_maps["', "%unhook ", "%hook "):  # fmt: skip
        with provisionalcompleter():
            found = list(place.shell.ip.Completer.completions(line, len(line)))
        yield from (part for one in found for part in (one.text, one.type))


class suppress_into:
    """Catch our errors, and give what a front end shows of them."""

    def __init__(self, kind):
        self._suppress = suppress(kind)
        self._shown = []

    def __enter__(self):
        return self._shown

    def __exit__(self, kind, error, traceback):
        if isinstance(error, FeatmagicError):
            self._shown.extend(error._render_traceback_())
            assert "\n" not in self._shown[0]
        return isinstance(error, FeatmagicError)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_hostile_text_is_harmless_wherever_it_goes(name, place):
    drawn = name.endswith((" as blocks", "magic featuremaps", "magic hook"))
    for kind, text in (joined(TEXTS) if name in SLOW else TEXTS).items():
        try:
            said = list(CHANNELS[name](text, place))
            for each in said:
                assert_harmless(each, drawn=drawn, whole=name in WHOLE)
        except Exception as error:
            raise AssertionError(f"{kind} through {name}") from error
        assert said or name == "completion"


def test_every_way_in_which_text_leaves_is_a_channel():
    ways = {f"{view} as {renderer}" for view in VIEWS for renderer in RENDERERS}
    ways |= {f"save {suffix}" for suffix in SUFFIXES}
    ways |= {f"magic {name}" for kind in FeatMagics.magics.values() for name in kind}
    assert ways <= set(CHANNELS)


def test_a_plain_text_is_never_changed():
    plain = "layer1.0.conv1 あ é ü ß שלום ❤ 𠀀 'a' \"b\" \\n $x$ <b> {x} %s"
    said = [repr(maps_of("conv2")), *(caption for caption, _ in maps_of(plain).pictures())]
    assert "conv2" in said[0]
    assert any(plain in caption for caption in said)
