"""Small codes of a version's vectors, by which candidates are found in memory."""
