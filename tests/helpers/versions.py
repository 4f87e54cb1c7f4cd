"""What older versions of IPython do differently in any cell."""

from __future__ import annotations

import IPython
from IPython.core.inputtransformer2 import TransformerManager

# A traceback says "Cell In[3], line 1"; before, it named a file that stood for the cell.
NUMBERS_CELLS = IPython.version_info >= (8, 8)

# `lines = !echo`: 7.34 on Python 3.12 knows the other spelling alone.
KNOWS = TransformerManager().transform_cell("lines = !echo\n") != "lines = !echo\n"
COMMAND = "!" if KNOWS else "%sx "
