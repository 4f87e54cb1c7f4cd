"""How Sphinx builds the documentation: `make docs`.

Everything that a page shows is made by the build: its notebooks run, the reference is read from the
code, and a warning is an error. Nothing is downloaded, and the pages load nothing from elsewhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext"), str(HERE / "_pages")]

import featmagic  # noqa: E402 - the working tree's, whatever is installed

# What the notebooks' kernels import, and where they put the files that the pages show.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), str(HERE / "_pages"), str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")]
)
os.environ["FEATMAGIC_DOCS_FILES"] = str(HERE / "_build" / "files")
os.environ["FEATMAGIC_DOCS_PAGES"] = str(HERE / "_pages")
os.environ["IPYTHONDIR"] = str(HERE / "_build" / "ipython")  # not the reader's own settings
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are small: threads only wait

project = "featmagic"
author = "The featmagic developers"
copyright = author
version = release = featmagic.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "featmagic_docs",
]
exclude_patterns = ["_build", "_ext", "_pages"]
needs_sphinx = "8.1"
default_role = "code"  # of docstrings, which are Markdown in this respect
nitpicky = True
# Types of other packages: an inventory of theirs would have to be downloaded.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(torch|nn|numpy|np|matplotlib|traitlets|anywidget|ipywidgets|os|pathlib|IPython|collections)\..*",
    ),
    (r"py:.*", r"(Tensor|Figure|Path|Any|Mapping|Layers|Capture|MissingMap|featmagic.api.Capture)"),
]

# --- notebooks
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_code_prompt_show = "Show the setup"
nb_code_prompt_hide = "Hide the setup"
nb_merge_streams = False  # a caption stays above its picture
nb_ipywidgets_js = {}  # would come from a CDN; explorers are shown as saved pages
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),
    ("html", "image/png", 0),
]
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

# --- reference
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
napoleon_numpy_docstring = False
napoleon_use_ivar = False

# --- pages
html_theme = "pydata_sphinx_theme"
html_title = "featmagic"
html_static_path = ["_static"]
html_css_files = ["featmagic.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "featmagic"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    # The name of the project's public repository belongs here, once there is one:
    # "github_url": "https://github.com/OWNER/featmagic",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "tutorial": [], "from_hooks": []}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = "$ "
