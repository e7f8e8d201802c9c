"""Everything that is kept: the files of a workspace and the published databases."""
