"""The server as the rest of the package sees it. The only file that imports elasticsearch."""

from __future__ import annotations

import logging
import ssl
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from elasticsearch import ApiError, ConnectionTimeout, Elasticsearch, TransportError, UnsupportedProductError

from opsctl.errors import ConfigError
from opsctl.events.redact import Redactor
from opsctl.events.ship.answer import Item, Trouble, items, said
from opsctl.events.ship.options import Elasticsearch as Options
from opsctl.events.ship.secret import Credentials

# What it has to say is in the errors it raises; without this it would be on stderr, too.
logging.getLogger("elastic_transport").addHandler(logging.NullHandler())

_BULK = {"filter_path": "errors,items.*.status,items.*.error", "require_data_stream": "true"}


class Server:
    """A cluster. Every method either returns what it answered or raises `Trouble`; none tries twice."""

    def __init__(self, options: Options, credentials: Credentials) -> None:
        """Nothing is sent yet.

        Raises:
            ConfigError: the CA file cannot be used.
        """
        self.where = ", ".join(options.url)
        self._hide = Redactor([credentials.api_key, credentials.password, credentials.header])
        if options.ca_file is not None:
            try:
                ssl.create_default_context(cafile=str(options.ca_file))
            except OSError as error:
                reason = error.strerror or "it holds no certificate"
                raise ConfigError(f"elasticsearch.ca_file: cannot use {options.ca_file}: {reason}") from None
        tls: dict[str, Any] = {"ca_certs": str(options.ca_file)} if options.ca_file else {}
        try:
            # Retries are the shipper's: it knows what was taken, and when to give up.
            self._client = Elasticsearch(
                options.url,
                **tls,
                api_key=credentials.api_key or None,
                basic_auth=(credentials.user, credentials.password) if credentials.user else None,
                request_timeout=options.timeout,
                max_retries=0,
                retry_on_timeout=False,
                connections_per_node=2,
            )
        except (ValueError, OSError) as error:
            raise ConfigError(f"elasticsearch: {self._hide.text(str(error))}") from None

    def bulk(self, lines: Sequence[bytes]) -> list[Item]:
        """Send documents; each line is its action, a newline and itself.

        Raises:
            Trouble: the request as a whole was not served.
        """
        return items(self.call("POST", "/_bulk", lines, **_BULK), len(lines))

    def call(self, method: str, path: str, body: Any = None, **params: str) -> Mapping[str, Any]:
        """One request; the answer's JSON.

        Raises:
            Trouble: there was no answer, or not a good one.
        """
        kind = "x-ndjson" if path.endswith("_bulk") else "json"
        headers = {"accept": "application/json", "content-type": f"application/{kind}"}
        try:
            with warnings.catch_warnings():
                # What the server deprecates is the concern of who changes this code, not of who runs it.
                warnings.simplefilter("ignore")
                answer = self._client.perform_request(method, path, params=params or None, headers=headers, body=body)
        except ApiError as error:
            inner = error.body.get("error") if isinstance(error.body, Mapping) else error.body
            kind, reason = said(inner or error.message)
            raise self._trouble(f"{reason or kind} (status {error.status_code})", error.status_code, kind) from None
        except UnsupportedProductError:
            raise self._trouble("the server says it is not Elasticsearch", 406) from None
        except ConnectionTimeout:
            raise self._trouble("no answer in time") from None
        except TransportError as error:
            raise self._trouble(" ".join(str(error.message).split())[:300] or type(error).__name__) from None
        found: Any = answer.body
        return found if isinstance(found, Mapping) else {"": found}

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _trouble(self, text: str, status: int = 0, kind: str = "") -> Trouble:
        return Trouble(f"Elasticsearch at {self.where}: {self._hide.text(text)}", status, kind)
