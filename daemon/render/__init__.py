"""Texts for people: mails and pages in German and English, dates and recurrence rules in words.

Knows templates and values, not the store; sends nothing (`core.imip` builds the message, a connector sends it).
"""

from daemon.render.context import Change, ChangedField, MailContext, People, Rendered, ShownDate, Trouble, TroubleWith
from daemon.render.pages import About, AnswerPage, Notice, PageStage, ShownChoice
from daemon.render.renderer import Renderer

__all__ = [
    "About",
    "AnswerPage",
    "Change",
    "ChangedField",
    "MailContext",
    "Notice",
    "PageStage",
    "People",
    "Rendered",
    "Renderer",
    "ShownChoice",
    "ShownDate",
    "Trouble",
    "TroubleWith",
]
