"""Bodies and answers about owners."""

from __future__ import annotations

from datetime import datetime

from daemon.core.model import Language, Owner
from daemon.web.schemas import Body, Shown, Span


class NewOwner(Body):
    """`reminders` absent: the installation's offsets; []: none."""

    email: str
    name: str = ""
    language: Language | None = None
    timezone: str | None = None
    reminders: tuple[Span, ...] | None = None


class OwnerChanges(Body):
    """What is to become different; what is absent stays."""

    email: str | None = None
    name: str | None = None
    language: Language | None = None
    timezone: str | None = None
    reminders: tuple[Span, ...] | None = None


class OwnerShown(Shown):
    """`reminders` are the offsets in force for this owner; `reminders_own` tells whether he chose them himself."""

    id: str
    email: str
    name: str
    language: str
    timezone: str
    reminders: tuple[Span, ...]
    reminders_own: bool
    created: datetime

    @classmethod
    def of(cls, owner: Owner, usual: tuple[Span, ...]) -> OwnerShown:
        return cls(
            id=owner.id,
            email=owner.email,
            name=owner.name,
            language=owner.language.value,
            timezone=owner.zone,
            reminders=usual if owner.reminders is None else owner.reminders,
            reminders_own=owner.reminders is not None,
            created=owner.created,
        )
