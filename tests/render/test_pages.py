"""The pages as people get them: words in both languages, colours that can be read, and nothing that a hostile text could do."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from daemon.core.model import Language
from daemon.render import About, Notice, PageStage, Renderer
from daemon.render.specimens import page_specimen
from daemon.resources import template_folders
from tests.render.outline import Outline
from tests.test_render import HOSTILE, contrast

RENDERER = Renderer(template_folders())
EVERY = list(product(Language, PageStage, (None, *Notice), (False, True)))


@pytest.mark.parametrize(("language", "stage", "notice", "series"), EVERY)
def test_a_page_is_whole_and_in_one_language(language: Language, stage: PageStage, notice: Notice | None, series: bool) -> None:
    page = page_specimen(language, stage=stage, notice=notice, series=series)
    seen = Outline(RENDERER.answer_page(language, page, style="page.css"))
    assert (seen.unbalanced, seen.open) == ([], [])
    assert seen.named("html")[0]["lang"] == language.value
    assert [tag for tag, _ in seen.tags].count("h1") == 1
    assert bool(seen.named("form")) is (stage is PageStage.OPEN)
    assert ("Fragen?" in seen.visible) is (language is Language.DE)
    assert not re.search(r"None|\{\{|\bundefined\b", seen.visible)


@pytest.mark.parametrize(("language", "about"), list(product(Language, About)))
def test_a_message_says_what_is_and_what_to_do(language: Language, about: About) -> None:
    seen = Outline(RENDERER.message_page(language, about, style="page.css"))
    assert (seen.unbalanced, seen.open) == ([], [])
    assert len(seen.visible.split(". ")) >= 2


@pytest.mark.parametrize("language", Language)
def test_a_hostile_text_does_no_harm(language: Language) -> None:
    page = replace(
        page_specimen(language, notice=Notice.RECORDED),
        title=HOSTILE,
        owner_name=HOSTILE,
        name=HOSTILE,
        location=HOSTILE,
        comment=HOSTILE,
        rrule="FREQ=" + HOSTILE,
    )
    text = RENDERER.answer_page(language, page, style="page.css")
    seen = Outline(text)
    assert (seen.unbalanced, seen.open) == ([], [])
    assert not {tag for tag, _ in seen.tags} & {"script", "b", "style"}
    assert not set(text) & set("\r\x00\x1b\u202e\u2066")
    assert "{{ 7*7 }}" in seen.visible


def test_both_languages_have_the_same_words() -> None:
    folder = template_folders()[-1] / "web"
    names = [
        re.findall(r"{% (?:set|macro) (\w+)", (folder / language.value / "words.jinja").read_text("utf-8"))
        for language in Language
    ]
    assert names[0] == names[1]


def test_colours_have_the_contrast_of_wcag_aa_in_light_and_dark() -> None:
    """Text on what it stands on, 4.5:1; the edge of a field, 3:1 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", part)) for part in RENDERER.style().split("@media (prefers")[:2])
    assert set(light) == set(dark)
    for colours in (light, dark):
        for ink, ground in (
            *product(("ink", "quiet", "accent", "yes", "maybe", "no"), ("card",)),
            *product(("ink",), ("good", "warn", "field", "line")),
            ("quiet", "ground"),
            ("yes", "line"),
            ("maybe", "line"),
            ("no", "line"),
        ):
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} {colours[ink]} on {ground} {colours[ground]}"
        assert contrast(colours["edge"], colours["card"]) >= 3
