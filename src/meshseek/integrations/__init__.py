"""Meshseek inside other programs: each module is the part of one program that a running Meshseek stands in for."""
