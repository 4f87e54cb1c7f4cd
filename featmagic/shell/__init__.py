"""featmagic in IPython: the only part that knows of it."""
