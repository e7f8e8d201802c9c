"""The offline stages; each reads a folder and writes a folder, and running it again resumes it."""
