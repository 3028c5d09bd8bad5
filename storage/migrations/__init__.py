"""The Alembic tree. One text for SQLite and PostgreSQL; what was released never changes."""
