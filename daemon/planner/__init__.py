"""The use cases: one function for each thing a person or a calendar can do, each inside one transaction of the caller's.

Page, API, command line, calendar changes and answer mails all come through here. Nothing here talks to the world.
"""

from daemon.planner.answers import IngestResult, record_answer
from daemon.planner.calendars import add_calendar, calendars, find_calendar, remove_calendar, sync_soon
from daemon.planner.decisions import Decided, accept, find_mail, refuse, set_answer
from daemon.planner.entries import cancel, copy, create, delete, edit, find_entry, invite, move, set_calendar, uninvite
from daemon.planner.imports import export, import_one, parse_import
from daemon.planner.inbox import hold, ingest
from daemon.planner.notices import owner_of_work
from daemon.planner.outbox import invitation_text
from daemon.planner.owners import add_owner, edit_owner, find_owner, owners, remove_owner
from daemon.planner.views import lines, show

__all__ = [
    "Decided",
    "IngestResult",
    "accept",
    "add_calendar",
    "add_owner",
    "calendars",
    "cancel",
    "copy",
    "create",
    "delete",
    "edit",
    "edit_owner",
    "export",
    "find_calendar",
    "find_entry",
    "find_mail",
    "find_owner",
    "hold",
    "import_one",
    "ingest",
    "invitation_text",
    "invite",
    "lines",
    "move",
    "owner_of_work",
    "owners",
    "parse_import",
    "record_answer",
    "refuse",
    "remove_calendar",
    "remove_owner",
    "set_answer",
    "set_calendar",
    "show",
    "sync_soon",
    "uninvite",
]
