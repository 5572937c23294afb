"""The tables. Column names are those of the values in `daemon.core`, so that a row is read as `Value(**row)`.

Every constraint has a name from the convention: SQLite rewrites a table to change it and loses what has none. There are
no triggers for the same reason, and keys are texts of ours, so that rows can be copied between databases. A change here needs a
revision in `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

from daemon.core.calendars import CalendarState, LinkState
from daemon.core.delivery import MessageState
from daemon.core.model import AnswerSource, EntryState, Language, PartStat, Role, Sender
from daemon.store.types import Choice, Instant, Json, Pairs, Prose, Span, Spans, Wall, Walls

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_entry() -> sa.Column[str]:
    return sa.Column("entry", sa.Text, sa.ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True)


owner = sa.Table(
    "owner",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("created", Instant, nullable=False),
    sa.Column("name", Prose, nullable=False),
    sa.Column("language", Choice(Language), nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("reminders", Spans),
)

calendar = sa.Table(
    "calendar",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, sa.ForeignKey("owner.id"), nullable=False),
    sa.Column("name", Prose, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("created", Instant, nullable=False),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("sender", Choice(Sender), nullable=False),
    sa.Column("headers", Pairs, nullable=False),
    sa.Column("capabilities_json", sa.Text, nullable=False),
    sa.Column("sync_token", Prose),
    sa.Column("state", Choice(CalendarState), nullable=False),
    sa.Column("error", Prose, nullable=False),
    sa.Column("checked", Instant),
    sa.UniqueConstraint("owner", "name"),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False, unique=True),
    sa.Column("owner", sa.Text, sa.ForeignKey("owner.id"), nullable=False),
    # No foreign key: the number of a tombstone may be another entry's again. Whose it is stands in `number`.
    sa.Column("number", sa.Text, nullable=False, index=True),
    sa.Column("title", Prose, nullable=False),
    sa.Column("created", Instant, nullable=False),
    sa.Column("modified", Instant, nullable=False),
    sa.Column("description", Prose, nullable=False),
    sa.Column("location", Prose, nullable=False),
    sa.Column("start", Wall),
    sa.Column("zone", sa.Text),
    sa.Column("duration", Span),
    sa.Column("all_day", sa.Boolean),
    sa.Column("rrule", sa.Text),
    sa.Column("rdates", Walls, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("state", Choice(EntryState), nullable=False),
    sa.Column("sender", Choice(Sender), nullable=False),
    sa.Column("invited", sa.Boolean, nullable=False),
    sa.Column("telephone", sa.Boolean, nullable=False),
    sa.Column("remind", sa.Boolean, nullable=False),
    sa.Column("reminders", Spans),
    sa.Column("password", Prose, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    # Derived, for listing: instants of the first start and the last end (NULL: without date, or endless).
    sa.Column("first_start", Instant),
    sa.Column("last_end", Instant),
    sa.Column("search", Prose, nullable=False),
    sa.Index(None, "owner", "first_start"),
)

attendee = sa.Table(
    "attendee",
    metadata,
    _of_entry(),
    sa.Column("email", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", Prose, nullable=False),
    sa.Column("role", Choice(Role), nullable=False),
    sa.Column("delegated_from", sa.Text, nullable=False, server_default=sa.text("''")),
)

occurrence = sa.Table(
    "occurrence",
    metadata,
    _of_entry(),
    sa.Column("recurrence_id", Wall, primary_key=True),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("start", Wall),
    sa.Column("duration", Span),
    sa.Column("title", Prose),
    sa.Column("description", Prose),
    sa.Column("location", Prose),
    sa.Column("attendees", Json),
    sa.Column("sequence", sa.Integer, nullable=False),
)

answer = sa.Table(
    "answer",
    metadata,
    _of_entry(),
    sa.Column("attendee", sa.Text, primary_key=True),
    sa.Column("date", sa.String(26), primary_key=True),  # recurrence_id, or "": a key column cannot be NULL
    sa.Column("partstat", Choice(PartStat), nullable=False),
    sa.Column("source", Choice(AnswerSource), nullable=False),
    sa.Column("answered_at", Instant, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("sequence", sa.Integer),
    sa.Column("dtstamp", Instant),
    sa.Column("comment", Prose, nullable=False),
    sa.Column("delegated_to", sa.Text, nullable=False, server_default=sa.text("''")),
)

answer_link = sa.Table(
    "answer_link",
    metadata,
    _of_entry(),
    sa.Column("attendee", sa.Text, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
)

number = sa.Table(
    "number",
    metadata,
    sa.Column("number", sa.String(9), primary_key=True),
    # Deferred: a number is reserved before its entry is written, in the same transaction.
    sa.Column("entry", sa.Text, sa.ForeignKey("entry.id", deferrable=True, initially="DEFERRED"), index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("free_after", Instant),
    sa.CheckConstraint("state IN ('reserved', 'quarantined')", name="state"),
)

link = sa.Table(
    "link",
    metadata,
    _of_entry(),
    sa.Column("calendar", sa.Text, sa.ForeignKey("calendar.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("ref", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("state", Choice(LinkState), nullable=False),
    sa.Column("dirty", sa.Boolean, nullable=False),
    sa.Column("bulk", sa.Boolean, nullable=False),
    sa.Column("deleting", sa.Boolean, nullable=False),
    sa.Column("wish", sa.Integer, nullable=False),
    sa.Column("pushed_sequence", sa.Integer),
    sa.Column("base_partstats", Pairs, nullable=False),
    sa.Column("error", Prose, nullable=False),
    sa.Index(None, "calendar", "ref"),
    sa.Index(None, "calendar", "uid"),
    sa.Index(None, "calendar", "dirty", "bulk", "changed_at"),
)

work = sa.Table(
    "work",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("args", Json, nullable=False),
    sa.Column("due", Instant),  # NULL: parked
    sa.Column("wish", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("deaths", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("held_until", Instant),
    sa.Column("error", Prose, nullable=False),
    sa.Column("first_failed", Instant),
    sa.Column("parked", Instant),
    # The one index. A claim changes neither column, so PostgreSQL can update in place; room on the page is kept free for that.
    sa.Index(None, "kind", "due"),
    postgresql_with={"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
)

sent = sa.Table(
    "sent",
    metadata,
    _of_entry(),
    sa.Column("attendee", sa.Text, primary_key=True),
    sa.Column("data", Prose, nullable=False),
)

message = sa.Table(
    "message",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("work", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),  # order within `work`
    sa.Column("entry", sa.Text, index=True),  # no foreign key: the journal outlives the entry
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("created", Instant, nullable=False),
    sa.Column("state", Choice(MessageState), nullable=False),
    sa.Column("tried", sa.Integer, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("reply", Prose, nullable=False),
    sa.Column("data", sa.LargeBinary),
    sa.Column("sent_after", Prose),
    sa.UniqueConstraint("work", "position"),
)

reminder_mark = sa.Table(
    "reminder_mark",
    metadata,
    _of_entry(),
    sa.Column("offset", Span, primary_key=True),
    sa.Column("start", Instant, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", Prose, nullable=False),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("entry", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("text", Prose, nullable=False),
    sa.Column("attendee", sa.Text, nullable=False),
    sa.Column("detail", Prose, nullable=False),
    sa.Index(None, "entry", "id"),
    sa.Index(None, "owner", "id"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("message_id", Prose, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("received", Instant, nullable=False, index=True),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("reason", Prose, nullable=False),
    sa.Column("uid", Prose, nullable=False),
    sa.Column("attendee", Prose, nullable=False),
    sa.Column("partstat", Choice(PartStat)),
    sa.Column("recurrence_id", Wall),
    sa.Column("entry", sa.Text, index=True),
    sa.Column("data", sa.LargeBinary),
    sa.Column("subject", Prose, nullable=False),
    sa.Column("sender", Prose, nullable=False),
    sa.Column("proposed_start", Wall),
    sa.Column("proposed_duration", Span),
    sa.Column("sequence", sa.Integer),
    sa.Column("comment", Prose, nullable=False, server_default=sa.text("''")),
)

alias = sa.Table(
    "alias",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("attendee", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

undeliverable = sa.Table(
    "undeliverable",
    metadata,
    _of_entry(),
    sa.Column("attendee", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reply", Prose, nullable=False),
)

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
