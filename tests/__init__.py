"""Tests: unit, contract, integration, acceptance, docs."""
