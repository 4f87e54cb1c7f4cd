"""The examples: the one about hiragana run from start to end, all of them as pages for a browser.

hiragana.ipy runs in the terminal first, then hiragana.ipynb; the other notebooks, which look into
large networks or have two engines, become pages as they are. With --refresh every notebook is run
and gets the new outputs. The last lines that are printed are the pages' paths.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
NOTEBOOKS = ("hiragana", "hiragana_ja", "parallel", "vgg_resnet", "vit_swin")


def run_in_terminal(environment: dict[str, str]) -> None:
    """Run hiragana.ipy in IPython, in this terminal.

    Raises:
        SystemExit: it failed; IPython has shown why.
    """
    command = [sys.executable, "-m", "IPython", str(HERE / "hiragana.ipy")]
    if subprocess.run(command, env=environment).returncode:
        sys.exit("hiragana.ipy failed: see above.")


def run(notebook: NotebookNode, environment: dict[str, str]) -> None:
    """Give the notebook new outputs, with nothing in them about this machine.

    Raises:
        CellExecutionError: (of nbclient) a cell failed.
    """
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute(env=environment)
    notebook.metadata.language_info = {"name": "python", "nbconvert_exporter": "python"}
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # left by a progress bar on a slow machine
            cell.outputs = [o for o in cell.outputs if o.get("data") != {"text/plain": ""}]


def write_page(notebook: NotebookNode, name: str) -> Path:
    """Write the notebook as one HTML file that needs no network; where it is."""
    exporter = HTMLExporter(require_js_url="", mathjax_url="")
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": name}})
    OUT.mkdir(exist_ok=True)
    page = OUT / f"{name}.html"
    page.write_text(html, encoding="utf-8")
    return page


def main() -> None:
    """Run what is to be run, and write every page."""
    refresh = "--refresh" in sys.argv[1:]
    pages = []
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "IPYTHONDIR": folder}
        run_in_terminal(environment)
        for name in NOTEBOOKS:
            path = HERE / f"{name}.ipynb"
            notebook = nbformat.read(path, as_version=4)
            if refresh or name == "hiragana":
                print(f"\nRunning {path.name} ...", flush=True)
                run(notebook, environment)
            if refresh:
                nbformat.write(notebook, path)
            pages.append(write_page(notebook, name))
    print("\nThe notebooks as pages:", *pages, sep="\n")


if __name__ == "__main__":
    main()
