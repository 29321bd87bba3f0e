"""Metadata tables, ledger, artifacts, prediction-log segments and their Parquet."""
