"""One realistic mail of each kind, to look at: for the pictures in the documents, the golden files and the check of templates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from daemon.core.itip import MailKind
from daemon.core.model import Language, PartStat, When
from daemon.render.context import Change, ChangedField, MailContext, People, ShownDate, Trouble, TroubleWith
from daemon.render.pages import AnswerPage, Notice, PageStage, ShownChoice

_HOUR = timedelta(hours=1)
_FIRST = When(start=datetime(2026, 12, 1, 9), zone="Europe/Berlin", duration=_HOUR)  # noqa: DTZ001 -- a wall time; its zone stands beside it


def _at(month: int, day: int, hour: int = 9, *, year: int = 2026, duration: timedelta = _HOUR) -> When:
    return When(start=datetime(year, month, day, hour), zone=_FIRST.zone, duration=duration)  # noqa: DTZ001 -- as above


def specimen(kind: MailKind, language: Language) -> MailContext:
    """Return a made-up context for a mail of this kind, as a planner would give it."""
    german = language is Language.DE
    single = MailContext(
        owner_name="Anna Berger",
        owner_email="anna.berger@example.org",
        recipient_name="Bernd Beispiel" if german else "Ben Sample",
        recipient_email="b.beispiel@example.com",
        title="Quartalsgespräch Haushalt" if german else "Quarterly budget review",
        number="524644209",
        description=(
            "Wir gehen die Zahlen des vierten Quartals durch.\n\n1. Rückblick\n2. Offene Posten\n3. Planung 2027"
            if german
            else "We go through the figures of the fourth quarter.\n\n1. Looking back\n2. Open items\n3. Planning 2027"
        ),
        location="Online",
        link="https://planer.example.org/j/524644209",
        join_page="https://planer.example.org/j",
        dial_in="Deutschland: +49 30 5550 1234\nKonferenz-PIN: 4711#"
        if german
        else "Germany: +49 30 5550 1234\nConference PIN: 4711#",
        password="Winter26",  # noqa: S106 -- of a made-up session
        date=ShownDate(when=_FIRST),
        asks=True,
        answer_link="https://planer.example.org/a/bW9yZS10aGFuLXRoaXMtY2Fubm90LWJlLWd1ZXNzZWQ",
    )
    rule = "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL=20270330T070000Z"
    series = replace(
        single,
        title="Jour fixe Projekt Rathaus" if german else "Town hall project, regular meeting",
        series=True,
        rrule=rule,
        next_dates=(_at(12, 15), _at(12, 29), _at(1, 12, year=2027)),
        dial_in="",
        password="",
    )
    owner = replace(single, recipient_name="Anna Berger", recipient_email="anna.berger@example.org", answer_link="")
    match kind:
        case MailKind.INVITATION:
            return single
        case MailKind.UPDATE:
            moved = When(start=datetime(2026, 12, 3, 14), zone="Europe/Berlin", duration=_HOUR * 1.5)  # noqa: DTZ001 -- as above
            return replace(single, before=single.date, date=ShownDate(when=moved))
        case MailKind.INFORMATION:
            room, title = ("Rathaus, Zimmer 12", "Quartalsgespräch") if german else ("Town hall, room 12", "Quarterly review")
            changes = (
                Change(field=ChangedField.TITLE, old=title, new=single.title),
                Change(field=ChangedField.LOCATION, old=room, new="Online"),
                Change(field=ChangedField.DESCRIPTION, old="", new=single.description),
            )
            return replace(single, asks=False, changes=changes)
        case MailKind.CANCELLATION:
            return replace(
                single,
                asks=False,
                reason="Die Zahlen liegen erst im Januar vor." if german else "The figures will not be there before January.",
            )
        case MailKind.OCCURRENCE_UPDATE:
            before = ShownDate(when=_at(12, 15))
            date = ShownDate(when=_at(12, 16, 11))
            return replace(series, before=before, date=date, recurrence_id=before.when.start, next_dates=series.next_dates[1:])
        case MailKind.OCCURRENCE_CANCELLATION:
            return replace(
                series,
                date=ShownDate(when=_at(12, 29)),
                recurrence_id=_at(12, 29).start,
                next_dates=(_at(1, 12, year=2027), _at(1, 26, year=2027)),
                asks=False,
            )
        case MailKind.REINVITATION:
            return series
        case MailKind.REMINDER:
            people = People(
                accepted=("Bernd Beispiel", "Clara Schmidt"),
                tentative=("Deniz Yılmaz",),
                declined=("Emil Novák",),
                outdated=("Frieda Lang",),
                silent=("gast@example.net",),
            )
            since = (
                Change(field=ChangedField.WHEN, old=_at(11, 30, 16), new=_FIRST),
                Change(field=ChangedField.PEOPLE, old=(), new=("gast@example.net",)),
            )
            return replace(
                owner,
                offset=timedelta(hours=24),
                starts_in=timedelta(hours=24),
                start_link="https://planer.example.org/s/524644209",
                people=people,
                changes=since,
                reminded=True,
            )
        case MailKind.TROUBLE:
            trouble = Trouble(
                about=TroubleWith.MAIL,
                mail=MailKind.INVITATION,
                people=("Bernd Beispiel <b.beispiel@example.com>",),
                reply="550 5.1.1 <b.beispiel@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
            )
            return replace(owner, trouble=trouble)
        case MailKind.REMOVAL:
            return replace(single, asks=False)
        case MailKind.DECLINE_COUNTER:
            proposed = When(start=datetime(2026, 12, 3, 14), zone="Europe/Berlin", duration=_HOUR)  # noqa: DTZ001 -- as above
            why = "Am Nachmittag sind zwei von uns nicht da." if german else "Two of us are not there in the afternoon."
            return replace(single, before=ShownDate(when=proposed), asks=False, reason=why)


def late_delivery(language: Language) -> MailContext:
    """Return a context for trouble that may pass: the mail server cannot be reached and it is tried on."""
    trouble = Trouble(
        about=TroubleWith.MAIL,
        mail=MailKind.UPDATE,
        people=("Bernd Beispiel <b.beispiel@example.com>", "Clara Schmidt <clara@example.net>"),
        reply="Connection to mail.example.com timed out",
        tried=14,
        retrying=True,
        unreachable=True,
        until=datetime(2026, 11, 30, 8, tzinfo=UTC),
    )
    return replace(specimen(MailKind.TROUBLE, language), trouble=trouble)


def page_specimen(
    language: Language, *, stage: PageStage = PageStage.OPEN, notice: Notice | None = None, series: bool = False
) -> AnswerPage:
    """Return a made-up answer page: of a session, or of a series whose next date was declined and whose third one was moved."""
    mail = specimen(MailKind.INVITATION, language)
    dates = (_FIRST, *(_at(12, 15), _at(12, 30, 14), _at(1, 12, year=2027))) if series else ()
    said = (PartStat.DECLINED, PartStat.ACCEPTED, PartStat.NEEDS_ACTION, PartStat.ACCEPTED)
    whole = ShownChoice(
        value="|0",
        when=_FIRST,
        single=False,
        partstat=PartStat.ACCEPTED if series or notice is Notice.RECORDED else PartStat.NEEDS_ACTION,
        outdated=notice is Notice.OUTDATED,
        chosen=True,
    )
    singles = tuple(
        ShownChoice(
            value=f"{when.start.isoformat()}|0",
            when=when,
            single=True,
            partstat=one,
            outdated=one is PartStat.NEEDS_ACTION,
            chosen=False,
        )
        for when, one in zip(dates, said, strict=False)
    )
    german = language is Language.DE
    title = ("Jour fixe Projekt Rathaus" if german else "Town hall project, regular meeting") if series else mail.title
    return AnswerPage(
        title=title,
        owner_name=mail.owner_name,
        owner_email=mail.owner_email,
        attendee=mail.recipient_email,
        name=mail.recipient_name,
        stage=stage,
        when=_FIRST,
        rrule="FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;UNTIL=20270330T070000Z" if series else "",
        series=series,
        location=mail.location,
        choices=(whole, *singles) if stage is PageStage.OPEN else (),
        comment="",
        most_comment=500,
        notice=notice,
        said=PartStat.ACCEPTED if notice in (Notice.RECORDED, Notice.KNOWN) else None,
    )
