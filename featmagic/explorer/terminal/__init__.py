"""The explorer in a terminal: the layers as a table, one layer as a grid, keys to move."""
