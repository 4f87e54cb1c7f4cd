"""Everything that IPython sees: magics, their lines, completion, settings."""
