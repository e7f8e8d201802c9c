"""Meshseek: a search engine for 3D assets."""

__version__ = "0.1.0"
