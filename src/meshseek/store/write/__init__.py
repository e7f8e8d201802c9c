"""The writing side: a version is loaded, indexed and made live."""
