"""Answering queries: a Query in, Hits out."""
