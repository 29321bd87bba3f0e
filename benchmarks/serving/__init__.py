"""Predict requests a second, beside a server that answers a constant: ``python -m benchmarks.serving``."""
