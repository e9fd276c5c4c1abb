"""Hosts of the local cloud: Docker containers that run systemd and sshd (design, section 5)."""
