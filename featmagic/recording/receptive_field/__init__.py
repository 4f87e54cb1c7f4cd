"""Receptive fields: the part of the input image that each place of a feature map depends on."""
