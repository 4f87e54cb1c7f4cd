"""From a tensor to 2-D planes and their figures, on the device that the tensor is on."""
