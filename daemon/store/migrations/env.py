"""Run by Alembic with the connection that `store.admin` opened; the transaction is begun and ended there."""

from __future__ import annotations

from alembic import context

from daemon.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can hardly change a table: it is made anew and filled again
)
with context.begin_transaction():
    context.run_migrations()
