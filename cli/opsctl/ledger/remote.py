"""An anchor in Elasticsearch: a document for each checkpoint, created and never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from opsctl.errors import ConfigError, StoreError
from opsctl.events.ship.answer import Trouble
from opsctl.ledger.checkpoint import Checkpoint

if TYPE_CHECKING:
    from opsctl.events.ship.client import Server
    from opsctl.events.ship.options import Elasticsearch

_INDEX = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")
_PAGE = 1000


class ElasticsearchWitness:
    """An index. Its documents have the checkpoints' numbers as ids, so that none can be put over another."""

    def __init__(self, index: str, options: Elasticsearch) -> None:
        """`index`: empty = `opsctl-anchors-NAMESPACE`.

        Raises:
            ConfigError: there is no such name, or no Elasticsearch in the settings.
        """
        if not options.on:
            raise ConfigError(f"Anchor elasticsearch:{index}: add elasticsearch.url to config.toml")
        self._index = index or f"opsctl-anchors-{options.namespace}"
        if not _INDEX.fullmatch(self._index):
            raise ConfigError(f"Anchor elasticsearch:{index}: an index is named with a-z, 0-9, '.', '_' and '-'")
        self._options = options
        self._known: Server | None = None

    @property
    def name(self) -> str:
        """As in the settings."""
        return f"elasticsearch:{self._index}"

    def put(self, checkpoint: Checkpoint) -> bool:
        """Create its document."""
        document = {
            "@timestamp": checkpoint.time,
            "ledger": checkpoint.ledger,
            "number": checkpoint.number,
            "seq": checkpoint.seq,
            "hash": checkpoint.hash,
            "previous": checkpoint.previous,
            "line": checkpoint.line,
        }
        path = f"/{self._index}/_create/{checkpoint.number:012d}"
        try:
            self._prepare()
            # Seen by a search when this returns: the next verification must not find it missing.
            self._server.call("PUT", path, document, refresh="wait_for")
        except Trouble as trouble:
            if trouble.status != 409:
                raise StoreError(f"Cannot anchor in {self.name}: {trouble}") from trouble
        else:
            return True
        if self._line(checkpoint.number) != checkpoint.line:
            raise StoreError(
                f"Cannot anchor in {self.name}: it has another checkpoint {checkpoint.number}; either the ledger was "
                "rewritten, or the index is another ledger's"
            )
        return False

    def lines(self) -> Callable[[], Iterable[str]]:
        """The documents' lines by number, read in pieces."""
        try:
            first = self._page(0)
        except Trouble as trouble:
            why = "nothing is anchored there" if trouble.status == 404 else str(trouble)
            raise StoreError(f"Cannot read anchor {self.name}: {why}; was `opsctl audit anchor` ever run?") from trouble

        def every() -> Iterator[str]:
            page = first
            while page:
                yield from (line for _number, line in page)
                try:
                    page = self._page(page[-1][0])
                except Trouble as trouble:
                    raise StoreError(f"Cannot read anchor {self.name}: {trouble}") from trouble

        return every

    @property
    def _server(self) -> Server:
        if self._known is None:
            from opsctl.events.ship.client import Server
            from opsctl.events.ship.secret import credentials

            self._known = Server(self._options, credentials(self._options))
        return self._known

    def _prepare(self) -> None:
        """Make the index. Who may only create documents leaves that to others."""
        from opsctl.events.ship.template import anchor

        try:
            self._server.call("PUT", f"/{self._index}", anchor())
        except Trouble as trouble:
            if trouble.status != 403 and trouble.kind != "resource_already_exists_exception":
                raise

    def _line(self, number: int) -> str:
        try:
            found = self._server.call("GET", f"/{self._index}/_doc/{number:012d}")
        except Trouble as trouble:
            raise StoreError(f"Cannot read anchor {self.name}: {trouble}") from trouble
        return str(found.get("_source", {}).get("line", ""))

    def _page(self, after: int) -> list[tuple[int, str]]:
        query: dict[str, Any] = {"size": _PAGE, "sort": [{"number": "asc"}], "_source": ["line"]}
        if after:
            query["search_after"] = [after]
        hits = self._server.call("POST", f"/{self._index}/_search", query)["hits"]["hits"]
        return [(int(hit["sort"][0]), str(hit["_source"]["line"])) for hit in hits]
