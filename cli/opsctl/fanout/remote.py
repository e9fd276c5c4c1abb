"""What the collection has of this; the fan-out is one part of code for both."""

from __future__ import annotations

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command, Mark

__all__ = ["Command", "Mark"]
