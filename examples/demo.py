"""The examples, run from start to end: in the terminal first, then as a page for a browser.

The last line that is printed is the page's path. With --refresh, hiragana.ipynb itself gets the
new outputs too.
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
NOTEBOOK = HERE / "hiragana.ipynb"
PAGE = HERE / "out" / "hiragana.html"


def run_in_terminal(environment: dict[str, str]) -> None:
    """Run hiragana.ipy in IPython, in this terminal.

    Raises:
        SystemExit: it failed; IPython has shown why.
    """
    command = [sys.executable, "-m", "IPython", str(HERE / "hiragana.ipy")]
    if subprocess.run(command, env=environment).returncode:
        sys.exit("hiragana.ipy failed: see above.")


def run_notebook(environment: dict[str, str]) -> NotebookNode:
    """hiragana.ipynb with new outputs, and nothing in it about this machine.

    Raises:
        CellExecutionError: (of nbclient) a cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute(env=environment)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def write_page(notebook: NotebookNode) -> None:
    """Write the notebook as one HTML file that needs no network."""
    exporter = HTMLExporter(require_js_url="", mathjax_url="")
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": "Hiragana"}})
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(html, encoding="utf-8")


def main() -> None:
    """Run everything; the last line printed is the page's path."""
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "IPYTHONDIR": folder}
        run_in_terminal(environment)
        print("\nRunning hiragana.ipynb and writing it as a page ...", flush=True)
        notebook = run_notebook(environment)
    if "--refresh" in sys.argv[1:]:
        nbformat.write(notebook, NOTEBOOK)
    write_page(notebook)
    print(PAGE)


if __name__ == "__main__":
    main()
