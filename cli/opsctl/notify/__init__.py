"""Notices to people: what is said (`message`), where (`channels`), kept until delivered (`outbox`, `sender`)."""
