"""Data plane: decode, check, predict, log, answer."""
