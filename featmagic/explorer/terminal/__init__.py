"""The explorer in a terminal: a table of the layers, the grid of one, and keys to move."""
