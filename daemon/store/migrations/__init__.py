"""The revisions of the schema. A revision is never edited; each runs on SQLite and PostgreSQL, forward only."""
