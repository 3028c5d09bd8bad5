"""The Alembic migrations, the same for SQLite and PostgreSQL; released ones never change."""
