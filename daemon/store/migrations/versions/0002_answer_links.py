"""Generations of answer links, so that they can be revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "answer_link",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_answer_link_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "attendee", name=op.f("pk_answer_link")),
    )
