"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# As `store.types` stored them when this revision was made: a revision does not change with the code.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("received", INSTANT, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("partstat", sa.String(32)),
        sa.Column("recurrence_id", sa.String(26)),
        sa.Column("entry", sa.Text()),
        sa.Column("data", sa.LargeBinary()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("digest", name=op.f("uq_inbox_digest")),
    )
    op.create_index(op.f("ix_inbox_entry"), "inbox", ["entry"])
    op.create_index(op.f("ix_inbox_received"), "inbox", ["received"])

    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("entry", sa.Text()),
        sa.Column("owner", sa.Text()),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
    )
    op.create_index(op.f("ix_journal_entry_id"), "journal", ["entry", "id"])
    op.create_index(op.f("ix_journal_owner_id"), "journal", ["owner", "id"])

    op.create_table(
        "message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Text()),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary()),
        sa.Column("sent_after", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("message_id", name=op.f("uq_message_message_id")),
        sa.UniqueConstraint("work", "position", name=op.f("uq_message_work_position")),
    )
    op.create_index(op.f("ix_message_entry"), "message", ["entry"])

    op.create_table(
        "owner",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.String(32), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("reminders", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner")),
        sa.UniqueConstraint("email", name=op.f("uq_owner_email")),
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setting")),
    )
    op.create_table(
        "work",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("due", INSTANT),
        sa.Column("wish", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text()),
        sa.Column("held_until", INSTANT),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("first_failed", INSTANT),
        sa.Column("parked", INSTANT),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_work")),
        postgresql_with={"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    )
    op.create_index(op.f("ix_work_kind_due"), "work", ["kind", "due"])

    op.create_table(
        "calendar",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("capabilities_json", sa.Text(), nullable=False),
        sa.Column("sync_token", sa.Text()),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("checked", INSTANT),
        sa.ForeignKeyConstraint(["owner"], ["owner.id"], name=op.f("fk_calendar_owner_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_calendar_owner_name")),
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("modified", INSTANT, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("start", sa.String(26)),
        sa.Column("zone", sa.Text()),
        sa.Column("duration", sa.BigInteger()),
        sa.Column("all_day", sa.Boolean()),
        sa.Column("rrule", sa.Text()),
        sa.Column("rdates", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("invited", sa.Boolean(), nullable=False),
        sa.Column("telephone", sa.Boolean(), nullable=False),
        sa.Column("remind", sa.Boolean(), nullable=False),
        sa.Column("reminders", sa.Text()),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("first_start", INSTANT),
        sa.Column("last_end", INSTANT),
        sa.Column("search", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["owner.id"], name=op.f("fk_entry_owner_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint("uid", name=op.f("uq_entry_uid")),
    )
    op.create_index(op.f("ix_entry_number"), "entry", ["number"])
    op.create_index(op.f("ix_entry_owner_first_start"), "entry", ["owner", "first_start"])

    op.create_table(
        "answer",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("date", sa.String(26), nullable=False),
        sa.Column("partstat", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer()),
        sa.Column("dtstamp", INSTANT),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_answer_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "attendee", "date", name=op.f("pk_answer")),
    )
    op.create_table(
        "attendee",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_attendee_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "email", name=op.f("pk_attendee")),
    )
    op.create_table(
        "link",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("ref", sa.Text()),
        sa.Column("version", sa.Text()),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.Column("bulk", sa.Boolean(), nullable=False),
        sa.Column("deleting", sa.Boolean(), nullable=False),
        sa.Column("wish", sa.Integer(), nullable=False),
        sa.Column("pushed_sequence", sa.Integer()),
        sa.Column("base_partstats", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["calendar"], ["calendar.id"], name=op.f("fk_link_calendar_calendar"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_link_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "calendar", name=op.f("pk_link")),
    )
    op.create_index(op.f("ix_link_calendar_dirty_bulk_changed_at"), "link", ["calendar", "dirty", "bulk", "changed_at"])
    op.create_index(op.f("ix_link_calendar_ref"), "link", ["calendar", "ref"])
    op.create_index(op.f("ix_link_calendar_uid"), "link", ["calendar", "uid"])

    op.create_table(
        "number",
        sa.Column("number", sa.String(9), nullable=False),
        sa.Column("entry", sa.Text()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("free_after", INSTANT),
        sa.CheckConstraint("state IN ('reserved', 'quarantined')", name=op.f("ck_number_state")),
        sa.ForeignKeyConstraint(
            ["entry"], ["entry.id"], name=op.f("fk_number_entry_entry"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_number")),
    )
    op.create_index(op.f("ix_number_entry"), "number", ["entry"])

    op.create_table(
        "occurrence",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("recurrence_id", sa.String(26), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("start", sa.String(26)),
        sa.Column("duration", sa.BigInteger()),
        sa.Column("title", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("location", sa.Text()),
        sa.Column("attendees", sa.Text()),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_occurrence_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "recurrence_id", name=op.f("pk_occurrence")),
    )
    op.create_table(
        "reminder_mark",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("start", INSTANT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_reminder_mark_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "offset", "start", name=op.f("pk_reminder_mark")),
    )
    op.create_table(
        "sent",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_sent_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "attendee", name=op.f("pk_sent")),
    )
