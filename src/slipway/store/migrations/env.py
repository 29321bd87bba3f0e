"""What Alembic runs: migrations on the connection, and inside the transaction, that it is handed."""

from __future__ import annotations

from alembic import context

from slipway.store.tables import metadata

_config = getattr(context, "config", None)

# Alembic executes this file; a tool that merely imports it finds no configuration.
if _config is not None:
    context.configure(connection=_config.attributes["connection"], target_metadata=metadata)
    context.run_migrations()
