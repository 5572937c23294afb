"""Settings: one TOML file, systemd credentials and environment variables; every problem is reported at once, by its key's name.

`settings` is what can be set, `sources` where values come from, `problems` how they are complained about; `load` joins them;
`reload` is what a running service takes over.
"""

from daemon.config.load import SYSTEM_FILE, Loaded, Places, load_config, require_mail, salvage_config
from daemon.config.reload import RELOADABLE, TakenOver, take_over
from daemon.config.settings import (
    Answers,
    Calendars,
    Config,
    Health,
    Imap,
    Lanes,
    Lmtp,
    LogFormat,
    LogLevel,
    Mail,
    Meeting,
    Numbers,
    Reminders,
    Security,
    Service,
    Smtp,
    Store,
    Web,
    Work,
)

__all__ = [
    "RELOADABLE",
    "SYSTEM_FILE",
    "Answers",
    "Calendars",
    "Config",
    "Health",
    "Imap",
    "Lanes",
    "Lmtp",
    "Loaded",
    "LogFormat",
    "LogLevel",
    "Mail",
    "Meeting",
    "Numbers",
    "Places",
    "Reminders",
    "Security",
    "Service",
    "Smtp",
    "Store",
    "TakenOver",
    "Web",
    "Work",
    "load_config",
    "require_mail",
    "salvage_config",
    "take_over",
]
