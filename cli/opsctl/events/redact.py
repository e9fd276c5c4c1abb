"""Takes secrets out of what is recorded or shown. The collection's callback has to do the same, so it is there."""

from __future__ import annotations

from ansible_collections.opsctl.cloud.plugins.plugin_utils.redact import BLOCKS, Redactor, dumped

__all__ = ["BLOCKS", "Redactor", "dumped"]
