"""Magics, their lines, completion and session settings: everything that IPython sees."""
