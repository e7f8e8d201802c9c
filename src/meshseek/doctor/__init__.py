"""Looks whether everything is there that Meshseek needs on this machine, and says what to do where it is not."""
