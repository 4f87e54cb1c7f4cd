"""Loading and unloading the extension."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from helpers.networks import hooks_on


def inside(shell):
    """Return everything that an extension could leave behind in a shell."""
    ip = shell.ip
    return {
        "magics": {k: dict(v) for k, v in ip.magics_manager.magics.items()},
        "registry": dict(ip.magics_manager.registry),
        "cleanup": list(ip.input_transformers_cleanup),
        "post": list(ip.input_transformers_post),
        "tokens": list(ip.input_transformer_manager.token_transformers),
        "ast": list(ip.ast_transformers),
        "events": {name: list(found) for name, found in ip.events.callbacks.items()},
        "matchers": list(ip.Completer.custom_matchers)
        if hasattr(ip.Completer, "custom_matchers")
        else list(ip.Completer.magic_arg_matchers),  # before IPython 8.6
        "attributes": set(vars(ip)),
        "configurables": list(ip.configurables),
        "names": {name for name in ip.user_ns if "feat" in name.lower()},
    }


def test_an_unload_leaves_nothing_of_ours(shell):
    shell.run("%unload_ext featmagic")
    before = inside(shell)
    shell.run("%load_ext featmagic")
    assert inside(shell) != before
    shell.run("%hook model cnn1 --into watched\ny = model(x)")
    shell.run("%%featuremaps model cnn1 --into watched\nmodel(x);")
    shell.run("%unload_ext featmagic")
    after = inside(shell)
    # `_trait_values` and the like come and go with IPython's own use of them.
    assert {k: v for k, v in after.items() if k != "attributes"} == {
        k: v for k, v in before.items() if k != "attributes"
    }
    assert not [name for name in after["attributes"] - before["attributes"] if "feat" in name]


def test_a_reload_leaves_one_of_each(shell):
    once = inside(shell)
    shell.run("%reload_ext featmagic")
    shell.run("%reload_ext featmagic")
    again = inside(shell)
    for part in ("cleanup", "ast"):
        assert len(again[part]) == len(once[part])
    assert {k: len(v) for k, v in again["events"].items()} == {
        k: len(v) for k, v in once["events"].items()
    }
    assert "cnn1  Conv2d" in shell.run("%%featuremaps model cnn1\nmodel(x);")


def test_an_unload_in_the_middle_of_a_cell_takes_the_hooks_off(shell, model):
    shell.run("%hook model cnn1\n%unload_ext featmagic\ny = model(x)")
    assert hooks_on(model) == []
    shell.run("%load_ext featmagic")
    assert "No layers are being watched" in shell.run("%hook")


def test_an_unload_without_a_load_does_no_harm(shell):
    import featmagic

    featmagic.unload_ipython_extension(shell.ip)
    featmagic.unload_ipython_extension(shell.ip)
    featmagic.load_ipython_extension(shell.ip)
    featmagic.load_ipython_extension(shell.ip)
    ours = [t for t in shell.ip.input_transformers_cleanup if "featmagic" in str(t.__module__)]
    assert len(ours) == len(set(ours)) > 0


def run_python(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_loading_imports_neither_torch_nor_matplotlib():
    program = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "ip = InteractiveShell()\n"
        "ip.run_line_magic('load_ext', 'featmagic')\n"
        "ip.run_cell('%hook')\n"
        "print(*[name for name in ('torch', 'matplotlib', 'numpy', 'PIL') if name in sys.modules])"
    )
    assert run_python(program)[-3:] == ["lists", "the", "layers."]


def test_what_only_tab_needs_is_imported_by_the_first_tab():
    program = (
        "import sys\n"
        "from IPython.core.completer import provisionalcompleter\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "ip = InteractiveShell()\n"
        "ip.Completer.use_jedi = False\n"
        "here = 'featmagic.ipython.completion'\n"
        "def there():\n"
        "    names = ('fragment', 'static_lookup', 'children', 'candidates', 'suggest')\n"
        "    return [name for name in names if f'{here}.{name}' in sys.modules]\n"
        "ip.run_line_magic('load_ext', 'featmagic')\n"
        "print('loaded', *there())\n"
        "with provisionalcompleter():\n"
        "    found = list(ip.Completer.completions('%hook --in', 10))\n"
        "print('Tab', *[one.text for one in found], *there())"
    )
    words = run_python(program)
    assert words == [
        "loaded",
        "Tab",
        "--into",
        "fragment",
        "static_lookup",
        "candidates",
        "suggest",
    ]


def test_plain_python_needs_no_ipython_and_no_pyplot():
    program = (
        "import sys\n"
        "sys.modules['IPython'] = None\n"
        "import torch, featmagic\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))\n"
        "with featmagic.capture(net, '0') as maps:\n"
        "    net(torch.ones(1, 1, 8, 8))\n"
        "maps.show()\n"
        "maps.figure('0')\n"
        "print('pyplot' in ' '.join(sys.modules))"
    )
    words = run_python(program)
    assert words[0] == "0"
    assert words[-1] == "False"


def test_a_reload_in_the_body_of_a_look_ends_its_watching_and_does_no_harm(shell, model):
    value = shell.value("%%featuremaps model cnn1\nmodel(x);\n%reload_ext featmagic\n6 * 7")
    assert value == 42
    assert list(shell.names["feature_maps"]) == ["cnn1"]
    for magic in ("%reload_ext", "%unload_ext"):
        error = shell.error(f"%%featuremaps model cnn1\n{magic} featmagic\nmodel(x)")
        assert "No forward pass of model" in str(error)
        assert hooks_on(model) == []
        assert not [name for name in shell.names if " " in name]
    shell.run("%load_ext featmagic")


def test_an_output_without_our_letters_is_no_error():
    program = (
        "import torch, featmagic\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))\n"
        "with featmagic.capture(net, '0') as maps:\n"
        "    net(torch.ones(1, 1, 8, 8))\n"
        "maps.show()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    words = r"0  Conv2d  \(1, 2, 6, 6\) float32 cpu(\n  | \? )NCHW, 2 of 2 channels"
    assert re.match(words, done.stdout)
