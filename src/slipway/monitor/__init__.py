"""Judges of a served endpoint: drift and risk. They judge; only control acts."""
