"""Files that were made to harm, the same in every run: ``python -m tests.hostile`` brings them through every stage."""
