"""A mosaic as bytes, as text or as a figure: one function each."""
