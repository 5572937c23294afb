"""Sitzungsplaner: plans sessions, invites, follows calendars, reminds. See ARCHITECTURE.md."""

__version__ = "0.1.0"
