"""The interactive view of layers and channels, in notebooks, pages and terminals."""
