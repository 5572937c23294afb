"""Renders mail texts from templates. One source of words per kind and language serves subject, plain text and HTML.

A kind's file (`mail/<language>/<kind>.jinja`) extends `layout`, which is `mail/layout.txt` in the environment for text and
`mail/layout.html` in the one for HTML; only the latter escapes, and it escapes everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound

from daemon.core.errors import ConfigProblem
from daemon.core.itip import MailKind
from daemon.core.model import Language
from daemon.render import lines
from daemon.render.context import MailContext, Rendered
from daemon.render.pages import About, AnswerPage, Notice, PageStage, page_view
from daemon.render.specimens import page_specimen, specimen
from daemon.render.view import view

_GAPS = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"(?<!\n--)[ \t]+\n")
_INDENT = re.compile(r"\n\s+")


class Renderer:
    """Finds templates in the given folders, first hit wins; each is compiled once, at its first use.

    Safe to use from several threads. Templates are read once: a changed file needs a new Renderer.
    """

    def __init__(self, templates: Sequence[Path]) -> None:
        self._text = _environment(templates, html=False)
        self._html = _environment(templates, html=True)

    def mail(self, kind: MailKind, language: Language, context: MailContext) -> Rendered:
        """Return subject, text and HTML of a mail.

        Raises ConfigProblem naming the template if it is missing or broken (an admin may have put his own in front).
        """
        name = f"mail/{language.value}/{kind}.jinja"
        variables = {**view(context, language), "kind": str(kind)}
        try:
            subject, text = self._plain(name, language, variables)
            html = self._rendered(self._html, name, language, {**variables, "layout": "mail/layout.html", "subject": subject})
        except TemplateError as problem:
            raise _broken(name, problem) from problem
        return Rendered(subject=subject, text=text, html=_INDENT.sub("\n", html).strip() + "\n")

    def invitation_text(self, language: Language, context: MailContext) -> str:
        """Return the invitation as text to paste into any mail or chat: no salutation, nothing about answering."""
        name = f"mail/{language.value}/text.jinja"
        try:
            return self._plain(name, language, {**view(context, language), "kind": "text"})[1]
        except TemplateError as problem:
            raise _broken(name, problem) from problem

    def answer_page(self, language: Language, page: AnswerPage, *, style: str) -> str:
        """Return the page where somebody who is invited answers, as a whole HTML document. `style`: where its CSS is found."""
        return self._page("web/answer.html", language, {**page_view(page, language), "style": style})

    def message_page(self, language: Language, about: About, *, style: str) -> str:
        """Return a page that only says something."""
        return self._page("web/message.html", language, {"about": about.value, "tone": "stop", "style": style})

    def style(self) -> str:
        """Return the CSS of the pages."""
        assert self._html.loader is not None
        try:
            return self._html.loader.get_source(self._html, "web/page.css")[0]
        except TemplateError as problem:
            raise _broken("web/page.css", problem) from problem

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each template that is missing or broken, by rendering made-up mails and pages of all kinds."""
        found: list[str] = []
        for trial in self._trials():
            try:
                trial()
            except ConfigProblem as problem:
                found += problem.problems
        return tuple(dict.fromkeys(found))

    def _trials(self) -> Iterator[Callable[[], object]]:
        for language in Language:
            yield partial(self.invitation_text, language, specimen(MailKind.INVITATION, language))
            for kind in MailKind:
                yield partial(self.mail, kind, language, specimen(kind, language))
            for stage, notice in product(PageStage, (None, *Notice)):
                yield partial(self.answer_page, language, page_specimen(language, stage=stage, notice=notice), style="page.css")
            for about in About:
                yield partial(self.message_page, language, about, style="page.css")
        yield self.style

    def _plain(self, name: str, language: Language, variables: dict[str, Any]) -> tuple[str, str]:
        template = self._text.get_template(name)
        whole = {**variables, "layout": "mail/layout.txt", "w": self._words(self._text, language)}
        context = template.new_context(whole)
        subject = lines.one_line("".join(template.blocks["subject"](context)), 200)
        text = template.render(whole)
        return subject, _GAPS.sub("\n\n", _TRAILING.sub("\n", text)).strip() + "\n"

    def _page(self, name: str, language: Language, variables: dict[str, Any]) -> str:
        try:
            words = self._html.get_template(f"web/{language.value}/words.jinja").module
            return self._html.get_template(name).render({**variables, "lang": language.value, "w": words})
        except TemplateError as problem:
            raise _broken(name, problem) from problem

    def _rendered(self, environment: Environment, name: str, language: Language, variables: dict[str, Any]) -> str:
        return environment.get_template(name).render({**variables, "w": self._words(environment, language)})

    @staticmethod
    def _words(environment: Environment, language: Language) -> Any:
        return environment.get_template(f"mail/{language.value}/words.jinja").module


def _environment(templates: Sequence[Path], *, html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in templates]),
        autoescape=html,  # noqa: S701 -- the other environment writes plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    if html:
        environment.filters |= {
            "strong": lines.strong,
            "unbroken": lines.unbroken,
            "link": lines.link,
            "lines": lines.html_lines,
            "paragraphs": lines.html_paragraphs,
        }
    else:
        environment.filters |= {"strong": str, "link": str, "wrap": lines.wrap, "paragraphs": lines.paragraphs}
        environment.globals |= {"row": lines.row, "underlined": lines.underlined}
    return environment


def _broken(name: str, problem: TemplateError) -> ConfigProblem:
    if isinstance(problem, TemplateNotFound):
        return ConfigProblem(
            (f"The template {problem.name or name} is missing. Put it back, or take your own template folder out.",)
        )
    where = f"{getattr(problem, 'name', None) or name}, line {problem.lineno}" if hasattr(problem, "lineno") else name
    return ConfigProblem(
        (f"The template {where} cannot be used: {problem.message or problem}. Correct it, or remove it so that ours is used.",)
    )
