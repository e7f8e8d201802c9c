"""Tests on models that others have collected; they are fetched, and are not part of the usual tests."""
