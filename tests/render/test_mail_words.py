"""What each kind of mail tells its reader, in text and HTML alike."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from daemon.core.itip import MailKind
from daemon.core.model import Language, When
from daemon.render import Change, ChangedField, MailContext, People, Renderer, ShownDate, Trouble, TroubleWith
from daemon.render.specimens import late_delivery, specimen
from daemon.resources import template_folders
from tests.render.outline import Outline, flat

DE, EN = Language.DE, Language.EN
RENDERER = Renderer(template_folders())
TO_ATTENDEES = [kind for kind in MailKind if kind not in (MailKind.REMINDER, MailKind.TROUBLE)]
TAKING_BACK = (MailKind.CANCELLATION, MailKind.REMOVAL, MailKind.OCCURRENCE_CANCELLATION)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", TAKING_BACK)
def test_who_is_no_longer_wanted_gets_no_way_in(kind: MailKind, language: Language) -> None:
    mail = RENDERER.mail(kind, language, replace(specimen(kind, language), password="geheim", dial_in="PIN 4711"))
    for part in (mail.text, mail.html):
        assert not re.search(r"524-?644-?209|geheim|4711", part)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", [kind for kind in TO_ATTENDEES if kind not in TAKING_BACK])
def test_who_is_invited_learns_number_link_and_dial_in(kind: MailKind, language: Language) -> None:
    mail = RENDERER.mail(kind, language, replace(specimen(kind, language), password="geheim", dial_in="PIN 4711"))
    for part in (mail.text, mail.html):
        assert all(word in part for word in ("524-644-209", "https://planer.example.org/j/524644209", "geheim", "PIN 4711"))


@pytest.mark.parametrize(
    ("kind", "german", "english"),
    [
        (MailKind.INVITATION, "zu oder ab. Sehen Sie keine, öffnen Sie den Link unten", "open the link below"),
        (MailKind.UPDATE, "Bitte antworten Sie noch einmal", "Please answer again"),
        (MailKind.INFORMATION, "Ihre Antwort gilt weiter", "your answer still stands"),
        (MailKind.CANCELLATION, "Sie brauchen nicht zu antworten", "There is no need to answer"),
        (
            MailKind.OCCURRENCE_CANCELLATION,
            "Nur dieser Termin entfällt, die Serie geht weiter",
            "Only this date is dropped; the series goes on",
        ),
        (
            MailKind.OCCURRENCE_UPDATE,
            "Alle anderen Termine der Serie bleiben, wie sie sind",
            "All other dates of the series stay as they are",
        ),
        (MailKind.REINVITATION, "lädt Sie wieder zu dieser Sitzung ein", "invites you to this session again"),
    ],
)
def test_a_mail_says_what_is_to_be_done(kind: MailKind, german: str, english: str) -> None:
    for language, sentence in ((DE, german), (EN, english)):
        mail = RENDERER.mail(kind, language, specimen(kind, language))
        assert sentence in flat(mail.text)
        assert sentence in Outline(mail.html).visible


@pytest.mark.parametrize("language", [DE, EN])
def test_without_pages_there_is_no_link_and_the_mail_itself_can_be_answered(language: Language) -> None:
    mail = RENDERER.mail(MailKind.INVITATION, language, replace(specimen(MailKind.INVITATION, language), answer_link=""))
    for shown in (flat(mail.text), Outline(mail.html).visible):
        assert ("antworten Sie einfach auf diese Mail" if language is DE else "just reply to this mail") in shown
        assert "Link unten" not in shown
        assert "link below" not in shown
        assert "/a/" not in shown


@pytest.mark.parametrize("kind", [MailKind.CANCELLATION, MailKind.REMOVAL, MailKind.OCCURRENCE_CANCELLATION])
@pytest.mark.parametrize("language", [DE, EN])
def test_where_there_is_nothing_to_answer_no_link_stands(kind: MailKind, language: Language) -> None:
    given = replace(specimen(kind, language), answer_link="https://planer.example.org/a/x")
    mail = RENDERER.mail(kind, language, given)
    assert "/a/x" not in mail.text + mail.html


def when(text: str, *, zone: str = "Europe/Berlin", minutes: int = 60) -> ShownDate:
    return ShownDate(when=When(start=datetime.fromisoformat(text), zone=zone, duration=timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        pytest.param(
            when("2026-12-01 09:00"),
            when("2026-12-03 14:00"),
            "verschoben von Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1) auf "
            "Donnerstag, 3. Dezember 2026, 14:00–15:00 Uhr (Europe/Berlin, MEZ, UTC+1).",
            id="to another day",
        ),
        pytest.param(
            when("2026-12-01 09:00"),
            when("2026-12-01 09:00", zone="Europe/London"),
            "verschoben von Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1) auf "
            "Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/London, GMT, UTC+0).",
            id="to the same hour of another zone",
        ),
        pytest.param(
            when("2026-12-01 09:00"),
            when("2026-12-01 09:00", minutes=90),
            "hat die Zeit dieser Sitzung geändert. "
            "Bisher: Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1). "
            "Jetzt: Dienstag, 1. Dezember 2026, 09:00–10:30 Uhr (Europe/Berlin, MEZ, UTC+1).",
            id="only longer",
        ),
        pytest.param(
            when("2026-12-01 09:00"),
            when("2026-12-01 08:00", zone="Europe/London"),
            "hat die Zeit dieser Sitzung geändert. "
            "Bisher: Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1). "
            "Jetzt: Dienstag, 1. Dezember 2026, 08:00–09:00 Uhr (Europe/London, GMT, UTC+0).",
            id="the same moment in another zone",
        ),
        pytest.param(
            None,
            when("2026-12-01 09:00"),
            "hat für diese Sitzung einen Termin festgelegt: Dienstag, 1. Dezember 2026",
            id="first date",
        ),
        pytest.param(when("2026-12-01 09:00"), when("2026-12-01 09:00"), "hat diese Sitzung geändert.", id="not moved at all"),
    ],
)
def test_an_update_says_from_when_to_when(before: ShownDate | None, now: ShownDate, sentence: str) -> None:
    mail = RENDERER.mail(MailKind.UPDATE, DE, replace(specimen(MailKind.UPDATE, DE), before=before, date=now))
    assert sentence in flat(mail.text)
    assert sentence in Outline(mail.html).visible


def test_a_move_is_told_once_even_if_the_changes_name_it_too() -> None:
    moved = specimen(MailKind.UPDATE, DE)
    assert moved.before is not None
    assert moved.date is not None
    told = replace(moved, changes=(Change(field=ChangedField.WHEN, old=moved.before.when, new=moved.date.when),))
    assert RENDERER.mail(MailKind.UPDATE, DE, told) == RENDERER.mail(MailKind.UPDATE, DE, moved)


def test_a_recipient_in_another_zone_reads_his_own_time_too() -> None:
    date = specimen(MailKind.INVITATION, EN).date
    assert date is not None
    there = replace(specimen(MailKind.INVITATION, EN), date=replace(date, zone="America/New_York"))
    mail = RENDERER.mail(MailKind.INVITATION, EN, there)
    assert "In your time Tuesday, 1 December 2026, 03:00–04:00 (America/New_York, EST, UTC−5)" in flat(mail.text)
    same = replace(there, date=replace(date, zone="Europe/Vienna"))
    assert "In your time" not in RENDERER.mail(MailKind.INVITATION, EN, same).text


DROPPED = When(start=datetime(2026, 12, 8, 9), zone="Europe/Berlin", duration=timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "german", "english"),
    [
        pytest.param(
            Change(field=ChangedField.TITLE, old="A", new="B"),
            "Titel: bisher „A“, jetzt „B“",
            "Title: was “A”, now “B”",
            id="title",
        ),
        pytest.param(Change(field=ChangedField.LOCATION, new="B"), "Ort: neu „B“", "Where: new “B”", id="place given"),
        pytest.param(
            Change(field=ChangedField.LOCATION, old="A"),
            "Ort: entfällt (bisher „A“)",
            "Where: removed (was “A”)",
            id="place taken away",
        ),
        pytest.param(
            Change(field=ChangedField.DESCRIPTION, old="A", new="B"),
            "Die Beschreibung ist neu",
            "The description is new",
            id="description",
        ),
        pytest.param(
            Change(field=ChangedField.DESCRIPTION, old="A"),
            "Die Beschreibung ist entfallen.",
            "The description was removed.",
            id="description gone",
        ),
        pytest.param(
            Change(field=ChangedField.RRULE, old="FREQ=WEEKLY;BYDAY=TU", new="FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"),
            "Wiederholung: bisher jeden Dienstag, jetzt alle 2 Wochen am Dienstag",
            "Repeats: was every Tuesday, now every 2 weeks on Tuesday",
            id="rule",
        ),
        pytest.param(
            Change(field=ChangedField.RRULE, old="FREQ=YEARLY;BYWEEKNO=3", new=""),
            "Wiederholung: bisher nach eigener Regel, jetzt keine",
            "Repeats: was by a rule of its own, now never",
            id="rule without words, taken away",
        ),
        pytest.param(
            Change(field=ChangedField.DATES, old=(DROPPED,), new=()),
            "Dieser Termin entfällt: Di., 8. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1).",
            "This date is dropped: Tue, 8 December 2026, 09:00–10:00 (CET, UTC+1).",
            id="a date dropped",
        ),
        pytest.param(
            Change(field=ChangedField.DATES, old=(DROPPED, DROPPED), new=(DROPPED,)),
            "Diese Termine entfallen: Di., 8. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1); "
            "Di., 8. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1). "
            "Dieser Termin kommt dazu: Di., 8. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1).",
            "These dates are dropped: Tue, 8 December 2026, 09:00–10:00 (CET, UTC+1); "
            "Tue, 8 December 2026, 09:00–10:00 (CET, UTC+1). "
            "This date is added: Tue, 8 December 2026, 09:00–10:00 (CET, UTC+1).",
            id="dates dropped and added",
        ),
        pytest.param(
            Change(field=ChangedField.PEOPLE, old=("Emil",), new=("Clara", "Deniz")),
            "Neu eingeladen: Clara, Deniz. Nicht mehr eingeladen: Emil.",
            "Newly invited: Clara, Deniz. No longer invited: Emil.",
            id="people",
        ),
        pytest.param(
            Change(field=ChangedField.WHEN, old=None, new=DROPPED),
            "Termin: neu Dienstag, 8. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1)",
            "Date: new Tuesday, 8 December 2026, 09:00–10:00 (Europe/Berlin, CET, UTC+1)",
            id="a date where there was none",
        ),
    ],
)
def test_a_change_is_one_sentence(change: Change, german: str, english: str) -> None:
    for language, sentence in ((DE, german), (EN, english)):
        context = replace(specimen(MailKind.INFORMATION, language), changes=(change,))
        mail = RENDERER.mail(MailKind.INFORMATION, language, context)
        assert sentence in flat(mail.text)
        assert sentence in Outline(mail.html).visible


def test_a_change_that_makes_no_sense_is_refused() -> None:
    broken = replace(specimen(MailKind.INFORMATION, DE), changes=(Change(field=ChangedField.TITLE, old=7),))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a change of title cannot hold 7"):
        RENDERER.mail(MailKind.INFORMATION, DE, broken)


def test_a_series_shows_its_rule_and_next_dates() -> None:
    mail = RENDERER.mail(MailKind.REINVITATION, EN, specimen(MailKind.REINVITATION, EN))
    assert "– from Tue, 1 December 2026" in mail.subject
    for part in (flat(mail.text), Outline(mail.html).visible):
        assert "Repeats every 2 weeks on Tuesday until 30 March 2027" in part
        assert "Tue, 12 January 2027, 09:00–10:00 (CET, UTC+1)" in part


def reminder(**changes: object) -> MailContext:
    return replace(specimen(MailKind.REMINDER, DE), **changes)  # type: ignore[arg-type]


def test_a_reminder_counts_and_names_who_comes() -> None:
    many = tuple(f"Gast {number}" for number in range(1, 21))
    people = People(accepted=("Clara",), delegated=("Ole",), silent=many, unreached=("weg@example.org",))
    mail = RENDERER.mail(MailKind.REMINDER, DE, reminder(people=people))
    assert "Zugesagt (1): Clara\nVertreten (1): Ole\nNoch ohne Antwort (20): Gast 1," in mail.text
    assert "Gast 12 und 8 weitere" in flat(mail.text)
    assert "Mail nicht zustellbar (1): weg@example.org" in mail.text
    assert "Noch ohne Antwort 20 · Gast 1," in Outline(mail.html).visible


def test_a_reminder_for_a_session_without_guests_says_so() -> None:
    mail = RENDERER.mail(MailKind.REMINDER, DE, reminder(people=None))
    assert "Niemand ist eingeladen." in mail.text
    assert "Niemand ist eingeladen." in mail.html


@pytest.mark.parametrize(
    ("starts_in", "offset", "sentence"),
    [
        pytest.param(timedelta(minutes=15), timedelta(minutes=15), "Ihre Sitzung beginnt in 15 Minuten.", id="in time"),
        pytest.param(
            timedelta(minutes=4),
            timedelta(minutes=15),
            "Ihre Sitzung beginnt in 4 Minuten.",
            id="late, because the service was down",
        ),
        pytest.param(None, timedelta(hours=24), "Ihre Sitzung beginnt in 24 Stunden.", id="only the offset is known"),
        pytest.param(timedelta(0), timedelta(minutes=15), "Ihre Sitzung beginnt jetzt.", id="at the last moment"),
        pytest.param(None, None, "Ihre Sitzung beginnt jetzt.", id="nothing known"),
    ],
)
def test_a_reminder_says_how_long_it_really_is(starts_in: timedelta | None, offset: timedelta | None, sentence: str) -> None:
    assert sentence in RENDERER.mail(MailKind.REMINDER, DE, reminder(starts_in=starts_in, offset=offset)).text


def test_a_second_reminder_says_that_nothing_changed() -> None:
    sentence = "Seit der letzten Erinnerung hat sich an ihr nichts geändert."
    assert sentence in flat(RENDERER.mail(MailKind.REMINDER, DE, reminder(changes=(), reminded=True)).text)
    assert sentence not in flat(RENDERER.mail(MailKind.REMINDER, DE, reminder(changes=(), reminded=False)).text)
    assert sentence not in flat(RENDERER.mail(MailKind.REMINDER, DE, reminder()).text)


def test_a_reminder_of_one_date_of_a_series_shows_that_date() -> None:
    date = when("2026-12-15 09:00")
    mail = RENDERER.mail(
        MailKind.REMINDER, DE, reminder(date=date, series=True, rrule="FREQ=WEEKLY", recurrence_id=date.when.start)
    )
    assert "Wann              Dienstag, 15. Dezember 2026" in mail.text
    assert "Serie             jeden Dienstag" in mail.text


def trouble(language: Language, **fields: object) -> str:
    context = replace(specimen(MailKind.TROUBLE, language), trouble=Trouble(**fields))  # type: ignore[arg-type]
    mail = RENDERER.mail(MailKind.TROUBLE, language, context)
    assert context.trouble is not None
    assert context.trouble.reply in Outline(mail.html).visible
    return f"{mail.subject}\n{flat(mail.text)}"


def test_trouble_names_what_failed_for_whom_the_servers_words_and_the_way_out() -> None:
    told = trouble(
        DE, about=TroubleWith.MAIL, mail="update", people=("Clara <c@example.org>",), reply="552 Mailbox full", tried=3
    )
    assert told.startswith("Nicht zugestellt: Terminänderung an Clara <c@example.org> – Quartalsgespräch Haushalt\n")
    for part in ("552 Mailbox full", "Versuche 3", "Es gibt keinen weiteren Versuch.", "Prüfen Sie die Adresse.", "524-644-209"):
        assert part in told


@pytest.mark.parametrize("language", Language)
def test_trouble_that_may_pass_says_how_long_it_is_tried(language: Language) -> None:
    mail = RENDERER.mail(MailKind.TROUBLE, language, late_delivery(language))
    until = (
        "längstens bis Mo., 30. November 2026, 09:00 Uhr MEZ"
        if language is DE
        else "until Mon, 30 November 2026, 09:00 CET at the latest"
    )
    blame = "An den Adressen liegt es nicht" if language is DE else "The addresses are not to blame"
    for part in (flat(mail.text), Outline(mail.html).visible):
        assert until in part
        assert blame in part


def test_a_cancellation_that_failed_does_not_offer_the_number() -> None:
    told = trouble(EN, about=TroubleWith.MAIL, mail="cancellation", people=("c@example.org",), reply="no")
    assert "they still expect the session" in told
    assert "they can join without the mail" not in told
    unreachable = trouble(
        EN, about=TroubleWith.MAIL, mail="removal", people=("c@example.org",), reply="no", retrying=True, unreachable=True
    )
    assert "524-644-209" not in unreachable


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"about": TroubleWith.CALENDAR, "calendar": "Büro", "reply": "403"},
            ("Nicht im Kalender: Quartal", "Passwort des Kalenders"),
        ),
        (
            {"about": TroubleWith.CALENDAR, "reply": "timeout", "retrying": True, "unreachable": True},
            ("Noch nicht im Kalender", "nur vorübergehend"),
        ),
        (
            {"about": TroubleWith.READING, "calendar": "Büro", "reply": "401"},
            ("Kalender nicht lesbar: Büro", "liest diesen Kalender nicht mehr"),
        ),
        ({"about": TroubleWith.MAIL, "people": ("a", "b"), "reply": "550"}, ("Nicht zugestellt: Mail an 2 Personen",)),
        ({"about": TroubleWith.MAIL, "people": tuple(f"p{n}" for n in range(20)), "reply": "550"}, ("p11 und 8 weitere",)),
    ],
    ids=["calendar refused", "calendar out of reach", "calendar not readable", "two people", "many people"],
)
def test_every_trouble_has_its_words(fields: dict[str, object], expected: tuple[str, ...]) -> None:
    told = trouble(DE, **fields)
    assert all(part in told for part in expected), told


def test_trouble_with_a_whole_calendar_speaks_of_no_session() -> None:
    context = MailContext(
        owner_name="",
        owner_email="anna@example.org",
        recipient_name="",
        recipient_email="anna@example.org",
        title="Büro",
        number="",
        trouble=Trouble(about=TroubleWith.CALENDAR, calendar="Büro", reply="403 Forbidden"),
    )
    mail = RENDERER.mail(MailKind.TROUBLE, DE, context)
    assert mail.subject == "Kalender nicht aktualisiert: Büro"
    assert "Sitzungen konnten nicht in Ihren Kalender geschrieben werden" in flat(mail.text)
    assert "Wann" not in mail.text
