"""Runs one command or script on many hosts over SSH connections of its own."""
