"""All layers in one film strip: a row each, with thumbnails and the state of its values."""
