"""Mails as people get them: a golden file for each kind and language, and what must hold for every text whatever stands in it.

`UPDATE_GOLDEN=1 pytest tests/test_render.py` writes the golden files anew; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.errors import ConfigProblem
from daemon.core.itip import MailKind
from daemon.core.model import Language
from daemon.render import Change, ChangedField, People, Renderer, Trouble, TroubleWith
from daemon.render.lines import one_line, wrap
from daemon.render.specimens import specimen
from daemon.resources import template_folders
from tests.render.outline import Outline

DE, EN = Language.DE, Language.EN
GOLDEN = Path(__file__).parent / "data" / "mail"
RENDERER = Renderer(template_folders())
EVERY = [pytest.param(kind, language, id=f"{kind}-{language}") for kind in MailKind for language in Language]
HOSTILE = 'A"><script>alert(1)</script><b>\r\nBcc: x@example.org\u202egnp.exe\u2066\x00\x1b[31m{{ 7*7 }}{% raw %}&amp;'


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_mail_is_word_for_word_the_one_that_was_looked_at(kind: MailKind, language: Language) -> None:
    mail = RENDERER.mail(kind, language, specimen(kind, language))
    for ending, content in (("txt", f"Subject: {mail.subject}\n\n{mail.text}"), ("html", mail.html)):
        golden = GOLDEN / language.value / f"{kind.value}.{ending}"
        if os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(content, encoding="utf-8")
        assert content == golden.read_text(encoding="utf-8"), f"{golden} differs"


def test_golden_files_are_those_of_the_kinds_and_languages() -> None:
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.*")} == {
        f"{language.value}/{kind.value}.{ending}" for kind in MailKind for language in Language for ending in ("txt", "html")
    }


@pytest.mark.parametrize("language", Language)
def test_the_text_to_copy_speaks_of_the_session_only(language: Language) -> None:
    text = RENDERER.invitation_text(language, specimen(MailKind.INVITATION, language))
    for part in ("524-644-209", "https://planer.example.org/j/524644209", "Winter26", "4711#", "Europe/Berlin"):
        assert part in text
    for part in ("Guten Tag", "Hello", "Ihre Antwort", "Your answer", "-- "):
        assert part not in text


@pytest.mark.parametrize("language", Language)
def test_the_text_to_copy_works_without_a_date(language: Language) -> None:
    text = RENDERER.invitation_text(language, replace(specimen(MailKind.INVITATION, language), date=None))
    assert ("Noch kein fester Termin" if language is DE else "No date set yet") in text
    assert "524-644-209" in text


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_plain_text_is_wrapped_and_has_no_leftovers(kind: MailKind, language: Language) -> None:
    text = RENDERER.mail(kind, language, specimen(kind, language)).text
    assert max(len(line) for line in text.split("\n")) <= 76
    assert not re.search(r"</?[a-z]+[ >]|&[a-z]+;|\{\{|None|\n{3}", text)
    assert text.endswith("\n")


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_html_keeps_to_what_every_mail_program_shows(kind: MailKind, language: Language) -> None:
    mail = RENDERER.mail(kind, language, specimen(kind, language))
    seen = Outline(mail.html)
    assert (seen.unbalanced, seen.open) == ([], [])
    assert seen.named("html")[0]["lang"] == language.value
    assert all(table["role"] == "presentation" for table in seen.named("table"))
    assert [tag for tag, _ in seen.tags].count("h1") == 1
    assert not {tag for tag, _ in seen.tags} & {"img", "script", "link", "form", "iframe", "object", "svg"}
    assert "url(" not in mail.html
    assert "@import" not in mail.html
    assert {meta.get("name") for meta in seen.named("meta")} >= {"color-scheme", "supported-color-schemes", "viewport"}
    for cell in seen.named("td"):
        style = cell.get("style") or ""
        assert ("background-color" in style) <= ("bgcolor" in cell), "Word's engine wants colours as attributes"
    assert len(mail.html.encode()) < 20_000


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", MailKind)
def test_colours_have_the_contrast_of_wcag_aa_in_light_and_dark(kind: MailKind) -> None:
    html = RENDERER.mail(kind, DE, specimen(kind, DE)).html
    style, body = html.split("</style>")
    light = {colour for colour in re.findall(r"[\";]color:(#[0-9a-f]{6})", body) if colour != "#ffffff"}
    assert len(light) >= 3
    for colour in light:
        for ground in ("#ffffff", "#eef4fa"):
            assert contrast(colour, ground) >= 4.5, f"{colour} on {ground}"
    assert contrast("#ffffff", "#1f5fa6") >= 4.5
    dark = set(re.findall(r"[{ ]color: (#[0-9a-f]{6})", style))
    grounds = set(re.findall(r"background-color: (#[0-9a-f]{6})", style))
    assert (len(dark), len(grounds)) == (3, 3)
    assert all(contrast(colour, ground) >= 4.5 for colour in dark for ground in grounds)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_hostile_title_does_no_harm(kind: MailKind, language: Language) -> None:
    """HTML, line breaks, bidirectional and control characters, template syntax: shown as text or dropped, in all three parts."""
    bad = replace(
        specimen(kind, language),
        title=HOSTILE,
        owner_name=HOSTILE,
        recipient_name=HOSTILE,
        location=HOSTILE,
        description=HOSTILE,
        dial_in=HOSTILE,
        password=HOSTILE,
        reason=HOSTILE,
        link="javascript:alert(1)",
        changes=(
            Change(field=ChangedField.TITLE, old=HOSTILE, new=HOSTILE),
            Change(field=ChangedField.PEOPLE, old=(HOSTILE,), new=(HOSTILE,)),
        ),
        people=People(accepted=(HOSTILE,), silent=(HOSTILE,)),
        trouble=Trouble(about=TroubleWith.MAIL, reply=HOSTILE, people=(HOSTILE,)) if kind is MailKind.TROUBLE else None,
    )
    mail = RENDERER.mail(kind, language, bad)
    assert "\n" not in mail.subject
    assert len(mail.subject) <= 200
    for part in (mail.subject, mail.text, mail.html):
        assert not set(part) & set("\r\x00\x1b\u202e\u2066")
        assert "{{ 7*7 }}" in part or part is mail.subject
    seen = Outline(mail.html)
    assert (seen.unbalanced, seen.open, seen.named("script")) == ([], [], [])
    assert "javascript:" not in mail.html
    assert "<script>alert(1)</script>" in seen.visible


@pytest.mark.parametrize(
    "title",
    ["W" * 500, "Wort " * 100, "漢" * 500, "   ", "\u202e"],
    ids=["one word", "many words", "wide letters", "blank", "nothing left"],
)
def test_a_title_of_any_length_fits(title: str) -> None:
    mail = RENDERER.mail(MailKind.OCCURRENCE_UPDATE, DE, replace(specimen(MailKind.OCCURRENCE_UPDATE, DE), title=title))
    assert "Di., 15. Dezember 2026" in mail.subject
    assert "jetzt Mi., 16. Dezember 2026" in mail.subject
    assert len(mail.subject) <= 200
    assert max(len(line) for line in mail.text.split("\n")) <= 76


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(text=st.text(max_size=200), kind=st.sampled_from(MailKind), language=st.sampled_from(Language))
def test_any_text_gives_one_line_of_subject_and_balanced_html(text: str, kind: MailKind, language: Language) -> None:
    context = replace(
        specimen(kind, language), title=text, owner_name=text, location=text, description=text, reason=text, dial_in=text
    )
    mail = RENDERER.mail(kind, language, context)
    seen = Outline(mail.html)
    assert not set(mail.subject) & set("\r\n\x00\u2028\u2029")
    assert (seen.unbalanced, seen.open) == ([], [])


def test_the_same_context_gives_the_same_mail() -> None:
    context = specimen(MailKind.REMINDER, DE)
    assert RENDERER.mail(MailKind.REMINDER, DE, context) == Renderer(template_folders()).mail(MailKind.REMINDER, DE, context)


def test_both_languages_have_the_same_files_and_words() -> None:
    folder = template_folders()[-1] / "mail"
    german, english = ({path.name for path in (folder / language.value).iterdir()} for language in Language)
    assert german == english == {"words.jinja", "text.jinja", *(f"{kind.value}.jinja" for kind in MailKind)}
    names = [
        set(re.findall(r"{% (?:set|macro) (\w+)", (folder / language.value / "words.jinja").read_text("utf-8")))
        for language in Language
    ]
    assert names[0] == names[1]


def test_an_admins_template_comes_first(tmp_path: Path) -> None:
    mine = tmp_path / "mail" / "de" / "invitation.jinja"
    mine.parent.mkdir(parents=True)
    mine.write_text(
        "{% extends layout %}{% block subject %}Hallo: {{ subject_title }}{% endblock %}{% block lead %}Kommt!{% endblock %}"
    )
    renderer = Renderer(template_folders(tmp_path))
    mail = renderer.mail(MailKind.INVITATION, DE, specimen(MailKind.INVITATION, DE))
    assert mail.subject == "Hallo: Quartalsgespräch Haushalt"
    assert "Kommt!" in mail.html
    assert renderer.problems() == ()
    assert renderer.mail(MailKind.UPDATE, DE, specimen(MailKind.UPDATE, DE)).subject.startswith("Verschoben: ")


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        pytest.param(
            "{% extends layout %}{% block subject %}{{ titel }}{% endblock %}", "'titel' is undefined", id="a misspelt variable"
        ),
        pytest.param("{% extends layout %}{% block subject %}", "line 1", id="an open block"),
        pytest.param(
            '{% extends "mail/frame" %}{% block subject %}{% endblock %}', "mail/frame is missing", id="a missing layout"
        ),
    ],
)
def test_a_broken_template_is_named_with_its_remedy(tmp_path: Path, broken: str, named: str) -> None:
    mine = tmp_path / "mail" / "en" / "reminder.jinja"
    mine.parent.mkdir(parents=True)
    mine.write_text(broken)
    renderer = Renderer(template_folders(tmp_path))
    with pytest.raises(ConfigProblem) as caught:
        renderer.mail(MailKind.REMINDER, EN, specimen(MailKind.REMINDER, EN))
    (sentence,) = caught.value.problems
    assert named in sentence
    assert renderer.problems() == (sentence,)


def test_missing_templates_are_told_once() -> None:
    assert any("mail/de/text.jinja is missing" in sentence for sentence in Renderer([]).problems())


def test_lines_are_broken_between_words_and_links_never() -> None:
    address = "https://planer.example.org/" + "x" * 90
    assert wrap(f"a b {address} c", width=10).split("\n") == ["a b", address, "c"]
    assert wrap("a " + "x" * 12, width=10).split("\n") == ["a", "x" * 10, "xx"]
    assert wrap("x" * 25, width=10).split("\n") == ["x" * 10, "x" * 10, "x" * 5]
    assert wrap("am Dienstag, 1. Dezember 2026", width=16).split("\n") == ["am Dienstag,", "1. Dezember 2026"]


def test_a_long_line_is_cut_at_a_word() -> None:
    assert one_line("eins zwei, drei vier", 12) == "eins zwei…"
    assert one_line("abcdefghijklmnop", 5) == "abcd…"
