"""Pages and tag filters that the Describe actions share (facts: ecs-api, section 1)."""

from __future__ import annotations

from typing import Any

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.params import Params


def page(params: Params, outer: str, inner: str, rows: list[dict[str, Any]], *, limit: int) -> dict[str, Any]:
    """One page, by PageNumber and PageSize or by MaxResults and NextToken, in the wrapper that lists wear."""
    if params.text("NextToken") or params.text("MaxResults"):
        size = min(max(params.integer("MaxResults", 1, 10**4, 10), 10), limit)
        start = params.text("NextToken") or "0"
        if not start.isdigit():
            raise ApiError("InvalidParameter.NextToken", "The specified parameter NextToken is invalid.")
        end = int(start) + size
        token = str(end) if end < len(rows) else ""
        shown = rows[int(start) : end]
        return {outer: {inner: shown}, "TotalCount": len(rows), "PageNumber": 1, "PageSize": size, "NextToken": token}
    number, size = params.integer("PageNumber", 1, 10**6, 1), params.integer("PageSize", 1, limit, 10)
    shown = rows[(number - 1) * size : number * size]
    return {outer: {inner: shown}, "TotalCount": len(rows), "PageNumber": number, "PageSize": size, "NextToken": ""}


def tagged(params: Params, tags: dict[str, str]) -> bool:
    """Whether ``tags`` fulfil all of Tag.N; a tag without a value asks for the key alone."""
    wanted = ((each.get("Key", ""), each.get("Value", "")) for each in params.objects("Tag"))
    return all(key in tags and value in ("", tags[key]) for key, value in wanted if key)
