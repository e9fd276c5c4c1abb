"""Where a template comes from: TemplateBody or TemplateURL, exactly one."""

from __future__ import annotations

import urllib.request

from opsctl.localcloud.errors import ApiError, invalid_parameter
from opsctl.localcloud.gateway.params import Params

LIMIT = 524288
TIMEOUT = 5
_SOURCES = ("TemplateBody", "TemplateURL", "TemplateId", "TemplateScratchId")


def template_text(params: Params, default: str | None = None) -> str:
    """The text; ``default`` (a stack's own template) when no source is named."""
    given = [name for name in _SOURCES if params.text(name)]
    if len(given) > 1:
        raise ApiError("MultipleParameter", f"Only one of the input parameters {', '.join(given)} can be specified.")
    if not given:
        if default is not None:
            return default
        message = f"One of the input parameters {', '.join(_SOURCES)} should be specified."
        raise ApiError("MissingParameter", message)
    if given[0] == "TemplateBody":
        return params["TemplateBody"]
    if given[0] == "TemplateURL":
        return _fetch(params["TemplateURL"])
    raise ApiError("NotSupported", f"{given[0]} is not supported by the local cloud.")


def _fetch(url: str) -> str:
    if not url.startswith(("http://", "https://")) or len(url) > 1024:
        raise invalid_parameter("TemplateURL", "an http or https address of at most 1024 bytes is needed")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310
            body: bytes = answer.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        raise invalid_parameter("TemplateURL", f"it cannot be read: {error}") from error
    if len(body) > LIMIT:
        raise invalid_parameter("TemplateURL", f"the template is longer than {LIMIT} bytes")
    return body.decode(errors="replace")
