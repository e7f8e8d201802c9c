"""Public judged data that the user brings, each file in the form it is published in."""

BENCHMARKS = ("cap3d-human", "objaverse-lvis")
SAMPLE = 1_000
"""Queries of a benchmark that are asked unless the user wants another number."""
