"""Fitting: encoder, candidates, evaluation, gates."""
