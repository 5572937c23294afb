"""Texts for people: mails in German and English, dates and recurrence rules in words.

Knows templates and values, not the store; sends nothing (`core.imip` builds the message, a connector sends it).
"""

from daemon.render.context import Change, ChangedField, MailContext, People, Rendered, ShownDate, Trouble, TroubleWith
from daemon.render.renderer import Renderer

__all__ = ["Change", "ChangedField", "MailContext", "People", "Rendered", "Renderer", "ShownDate", "Trouble", "TroubleWith"]
