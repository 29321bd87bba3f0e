"""Errors, vocabulary, configuration, clock, ids: what every layer may use."""
