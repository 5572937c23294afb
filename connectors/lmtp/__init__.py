"""Mails in, from a mail server that delivers to us: LMTP (RFC 2033)."""
