"""What the collection has of this; the fan-out is one part of code for both."""

from __future__ import annotations

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection, Foreign, connection

__all__ = ["Connection", "Foreign", "connection"]
