"""Helpers shared by tests: networks, independently computed pictures, kernels, pages."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
