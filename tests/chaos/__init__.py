"""Chaos: every stage meets every fault, and what must be there afterwards is known beforehand."""
