"""Alembic's entry point: runs in the transaction that storage/migrate.py opened."""

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
    transactional_ddl=True,  # true for SQLite too, if the driver does not commit by itself
)
context.run_migrations()
