"""Searches while everything behind them fails, each answer compared with the version that it names."""
