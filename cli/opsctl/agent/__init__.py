"""Keeps SSH connections to hosts open between runs: a process of the user's own, and those who ask it."""
