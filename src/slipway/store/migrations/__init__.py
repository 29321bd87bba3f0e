"""Alembic scripts, one per change of the tables, applied by ``store.database``; never edited afterwards."""
