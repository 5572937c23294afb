"""Bad configuration: files, and what environment and machine may hold; with what the one line says."""

from __future__ import annotations

Words = tuple[str, ...]

NO_DURATION = "is not a duration. Write it like 45m, 1h30m, 2d or PT1H30M."

FILES: dict[str, tuple[bytes | str, str]] = {
    "no TOML": ("[mail\n", "FOLDER/config.toml: at line 1, column 6 this is not TOML"),
    "a key twice": ('[mail]\nname = "a"\nname = "b"\n', "this is not TOML: Cannot overwrite a value."),
    "no UTF-8": (b"\xff\xfe\x00", "FOLDER/config.toml: this is not UTF-8 text (byte 0). Save it as UTF-8."),
    "a setting with a typo": ('[mail]\naddres = "a@b"\n', "mail.addres: there is no such setting. Did you mean mail.address?"),
    "a section with a typo": ("[mial]\n", "mial: there is no such section. Did you mean [mail]?"),
    "a value for a section": ("mail = 3\n", "mail: this is a section, not a single value. Write [mail] on a line of its own"),
    "text for a number": ('[mail.smtp]\nport = "x"\n', 'mail.smtp.port: "x" is not a whole number (1–65535).'),
    "a truth for a number": ("[mail.smtp]\nport = true\n", "mail.smtp.port: true is not a whole number (1–65535)."),
    "a number out of range": ("[calendars]\npoll_seconds = 1\n", "calendars.poll_seconds: 1 is out of range (10–86400)."),
    "a choice that is none": ('[mail.smtp]\nsecurity = "ssl"\n', 'mail.smtp.security: "ssl" is not one of none, starttls, tls.'),
    "a name without password": (
        '[mail.smtp]\nusername = "anna"\n',
        "mail.smtp.password: missing, while mail.smtp.username is set. Set it, mail.smtp.password_file or",
    ),
    "two passwords": (
        '[mail.smtp]\nusername = "a"\npassword = "x"\npassword_file = "y"\n',
        "mail.smtp.password_file: mail.smtp.password is given as well. Keep one of the two.",
    ),
    "a password file that is missing": (
        '[mail.smtp]\nusername = "a"\npassword_file = "/missing/password"\n',
        "mail.smtp.password_file: /missing/password cannot be read (No such file or directory).",
    ),
    "a reminder in words": ('[reminders]\noffsets = ["bald"]\n', f"reminders.offsets: “bald” {NO_DURATION}"),
    "a number for reminders": (
        "[reminders]\noffsets = 24\n",
        'reminders.offsets: 24 is not a list of durations; write it like ["24h", "15m"].',
    ),
    "a link without number": (
        '[meeting]\nlink = "https://x"\n',
        "meeting.link: It must contain {number}, where the session number",
    ),
    "a zone without continent": ('[service]\ntimezone = "Berlin"\n', "service.timezone: There is no time zone “Berlin”."),
    "another database": ('[store]\nurl = "mysql://x"\n', 'store.url: It must be empty or begin with "postgresql://" or'),
    "certificates that are missing": ('[mail.smtp]\nca_file = "/missing.pem"\n', "mail.smtp.ca_file: /missing.pem is no file."),
}

ENVIRONMENT: dict[str, tuple[dict[str, str], Words, str]] = {
    "a variable with a typo": (
        {"MAIL__SMTP__PROT": "25"},
        ("entry", "list"),
        "SITZUNGSPLANER_MAIL__SMTP__PROT: there is no such setting. Did you mean SITZUNGSPLANER_MAIL__SMTP__PORT?",
    ),
    "single underscores": (
        {"MAIL_SMTP_HOST": "x"},
        ("entry", "list"),
        "SITZUNGSPLANER_MAIL_SMTP_HOST: there is no such setting. Did you mean SITZUNGSPLANER_MAIL__SMTP__HOST?",
    ),
    "a variable that means nothing": ({"UNSINN": "1"}, ("entry", "list"), "Sections are parted by two underscores, as in"),
    "a bad value": (
        {"MAIL__SMTP__PORT": "viele"},
        ("entry", "list"),
        'mail.smtp.port: "viele" is not a whole number (1–65535). It is set by SITZUNGSPLANER_MAIL__SMTP__PORT.',
    ),
    "a file that is missing": (
        {"CONFIG": "/missing.toml"},
        ("entry", "list"),
        "/missing.toml: there is no such file. Copy config.example.toml there, or name another file with --config.",
    ),
    "a folder for a file": ({"CONFIG": "/tmp"}, ("entry", "list"), "/tmp: it cannot be read (Is a directory)."),
    "a data directory that cannot be": (
        {"SERVICE__DATA_DIR": "/proc/missing"},
        ("entry", "list"),
        "service.data_dir: /proc/missing cannot be made (No such file or directory). Choose another directory, or run this as",
    ),
    "a database that nobody serves": (
        {"STORE__URL": "postgresql://anna:geheim@127.0.0.1:9/x"},
        ("entry", "list"),
        "The database server does not answer.",
    ),
    "an address that is no database's": (
        {"STORE__URL": "postgresql://anna:geheim@127.0.0.1:1x/x"},
        ("entry", "list"),
        "store.url: this is no database URL. Write sqlite:///sitzungsplaner.db or postgresql://user:password@host/database.",
    ),
    "a service without mail server": (
        {},
        ("run",),
        "mail.smtp.host: missing. Set the server that takes our mails, like mail.example.org.",
    ),
    "a mailbox without user": (
        {"MAIL__SMTP__HOST": "127.0.0.1", "MAIL__IMAP__HOST": "127.0.0.1"},
        ("run",),
        "mail.imap.username: missing. Set the name that signs in to read answers, often the address itself.",
    ),
    "a socket too deep": (
        {"MAIL__SMTP__HOST": "127.0.0.1", "SERVICE__SOCKET": f"/tmp/{'x' * 120}"},
        ("run",),
        "cannot be opened (AF_UNIX path too long). Choose a path that the service may write, at most 107 characters long.",
    ),
}
