"""The folder of the stages' outputs: tables, vectors and views on disk."""
