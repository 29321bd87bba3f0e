"""Slipway: from a table to a model in production that looks after itself."""

__version__ = "0.1.0"
