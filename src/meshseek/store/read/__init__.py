"""The reading side of a published algorithm."""
