"""Looks at everything the service depends on, and says of each thing how it is and what a person can do.

Asking (async, side by side, under time limits) gathers facts; plain functions make findings of them. One module for each field.
Changes nothing but for one mail to our own mailbox. Knows connectors only as they are handed in (`Means`).
"""

from daemon.doctor.examine import Means, examine, means_for
from daemon.doctor.findings import Field, Finding, Level, ordered

__all__ = ["Field", "Finding", "Level", "Means", "examine", "means_for", "ordered"]
