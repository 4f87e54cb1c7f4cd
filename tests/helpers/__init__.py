"""What several tests need: networks, pictures computed apart, kernels, pages."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
