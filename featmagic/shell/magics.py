"""`%hook`, `%unhook` and `%featuremaps`: from a line to what it does."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.utils.text import DollarFormatter

from featmagic.errors import FeatmagicError, printable, say
from featmagic.shell.cell import run_body
from featmagic.shell.look import Look, save
from featmagic.shell.namespace import find_model, modules_in
from featmagic.shell.options import (
    manual_of_view,
    parse_again,
    parse_hook,
    parse_look,
    parse_names,
)
from featmagic.shell.watches import Watches
from featmagic.shell.words import split_statement


@magics_class
class FeatMagics(Magics):  # type: ignore[misc]
    """The magics, and the look that a rewritten cell enters."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.watches = Watches(shell.user_ns)

    @line_magic  # type: ignore[untyped-decorator]
    def hook(self, line: str) -> None:
        """Watch layers of a model: every later cell that runs it refreshes `feature_maps`."""
        asked = parse_hook(line)
        if asked.model is None:
            self._say_watched()
        elif not asked.layers:
            self._say_layers(asked.model)
        else:
            say(f"Watching {self.watches.add(asked.model, asked.layers, asked.into)}")

    @line_magic  # type: ignore[untyped-decorator]
    def unhook(self, line: str) -> None:
        """Stop watching."""
        names = parse_names(line)
        found = [watch for name in names for watch in self.watches.named(name)]
        for watch in found if names else self.watches:
            self.watches.remove(watch.name)
            say(f"No longer watching {watch}")

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def featuremaps(self, line: str, cell: str | None = None) -> Any:
        """Run a cell or a statement and show the feature maps of a model."""
        __tracebackhide__ = True
        if cell is not None:
            return run_body(self.shell, cell, lambda: self.look(line))
        head, statement = split_statement(line)
        if statement is None:
            return self._again(head)
        return run_body(self.shell, statement, lambda: self.look(head, "%featuremaps"))

    def look(self, line: str, magic: str = "%%featuremaps") -> Look:
        """A look as the magic's line describes it."""
        return Look(parse_look(self._expanded(line), magic), self.watches, self.shell.user_ns)

    def _again(self, line: str) -> None:
        asked = parse_again(self._expanded(line))
        maps = self.watches.last()
        for name in asked.layers[:1]:
            if name in modules_in(self.shell.user_ns) and name not in maps:
                raise FeatmagicError(
                    f"Without a statement nothing runs: %featuremaps {name} LAYER ... -- {name}(x)"
                )
        if asked.saving:
            overwrite = asked.saving.overwrite
            maps.targets(asked.saving.path, asked.layers, asked.view, overwrite=overwrite)
        maps.show_view(asked.layers, asked.view)
        if asked.saving:
            save(maps, asked.layers, asked.view, asked.saving)

    def _expanded(self, line: str) -> str:
        """`{name}` and `$name` filled in, as IPython does it in the line of any other magic."""
        try:
            return str(DollarFormatter().vformat(line, (), self.shell.user_ns))
        except Exception:  # as IPython: what can't be filled in stays as it is
            return line

    def _say_watched(self) -> None:
        for watch in self.watches:
            say(f"Watching {watch}")
        if not list(self.watches):
            say("Nothing is watched. %hook MODEL LAYER ... begins; %hook MODEL lists the layers.")

    def _say_layers(self, expression: str) -> None:
        from featmagic.tree import ROOT, unwrap, walk

        model = find_model(expression, self.shell.user_ns)
        rows = [
            (printable(path), type(unwrap(module)[-1]).__name__, _parameters(module))
            for path, module in walk(model)
            if path != ROOT
        ]
        if not rows:
            say(f"{type(unwrap(model)[-1]).__name__} has no layers below it; it is a layer itself.")
            return
        first, second, third = (
            max(map(len, column), default=0) for column in zip(*rows, strict=True)
        )
        for path, kind, count in rows:
            say(f"{path:<{first}}  {kind:<{second}}  {count:>{third}}")


def _parameters(module: Any) -> str:
    """How many parameters, in words where a lazy module doesn't know yet."""
    from torch.nn.parameter import is_lazy

    parameters = list(module.parameters())
    if any(is_lazy(parameter) for parameter in parameters):
        return "not known yet"
    return f"{sum(parameter.numel() for parameter in parameters):,}"


_MODEL_AND_LAYER = """\
MODEL is a variable, an attribute or an item: model, trainer.model, models["a"].
LAYER is a path (layer1.0.conv1), its Python spelling (layer1[0].conv1), a glob
(layer1.*, *.conv1), a class name (Conv2d: every module of that class), or a dot:
the model itself. relu:2 is the second call of a layer that runs more than once,
lstm[1][0] one part of what a layer returns."""

FeatMagics.hook.__doc__ = f"""\
Watch layers of a model: every later cell that runs it refreshes `feature_maps`.

    %hook MODEL LAYER ... [--into NAME]   watch these layers
    %hook MODEL                           list the layers: path, class, parameters
    %hook                                 what is watched now

{_MODEL_AND_LAYER}

--into NAME refreshes the variable NAME instead of feature_maps. A name holds the
maps of one model: a second %hook with the same name takes the first one's place.

The model runs as always: training mode, gradients and inputs are left alone, and
hooks are on it only while a cell runs. Layers and model are looked up anew at each
cell, so a variable bound to a new model is followed.

Examples
    %hook model cnn1 act1 pool1
    y = model(x)
    feature_maps["cnn1"]                  Tensor (1, 5, 24, 24), a copy

    %hook trainer.model Conv2d --into convolutions
    %hook models["a"] layer1[0].* relu:2
"""

FeatMagics.unhook.__doc__ = """\
Stop watching.

    %unhook            everything
    %unhook NAME ...   what refreshes these names, or what watches these models

Examples
    %unhook feature_maps
    %unhook model
"""

FeatMagics.featuremaps.__doc__ = f"""\
Run a cell, or a statement, and show the feature maps of a model.

    %%featuremaps [MODEL [LAYER ...]] [options]            run the cell, show the grids
    %featuremaps MODEL [LAYER ...] [options] -- STATEMENT  the same in one line
    %featuremaps [LAYER ...] [options]                     show again, drawn another way

{_MODEL_AND_LAYER}
With a model alone: its own children, or for --overview all layers with none below.
With neither: what %hook watches.

{manual_of_view()}
--into NAME               bind NAME instead of feature_maps
--as-is                   leave mode, gradients and inputs as they are
--save PATH               save it too: a picture as .png, .svg or .pdf, whole tensors
                          as .npz or .safetensors; of several layers maps.png becomes
                          maps-cnn1.png, maps-act1.png ..., while arrays are in one file
--overwrite               even over files that are there already

The model runs in eval mode, without gradients, with its inputs moved to its device;
afterwards every training flag is as before and no hook is left. `feature_maps` is a
mapping from layer to tensor; it is there as the cell begins, and keeps what ran
before a forward pass failed.

Examples
    %%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5
    model(x[500].unsqueeze(0))

    %featuremaps model layer1.*.conv1 --channels 0:16,40 -- model(x)
    %featuremaps cnn1 --scale layer --save "figures/cnn 1.pdf"
"""
