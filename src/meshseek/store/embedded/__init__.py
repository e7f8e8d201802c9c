"""Our own database server: PostgreSQL from a Python package."""
