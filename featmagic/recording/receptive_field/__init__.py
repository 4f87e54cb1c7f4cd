"""Which part of the input image each place of a feature map depends on."""
