"""Alembic's entry point: runs in the transaction that storage/migrate.py opened."""

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
    transactional_ddl=True,  # also true of SQLite when the driver does not commit by itself
)
context.run_migrations()
