"""A corpus of secrets in the shapes in which tools print them. Made for tests: none of them opens anything."""

from __future__ import annotations

import base64
import html
import json
import pprint
import re
import shlex
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import yaml

VALUES = (
    "Canary-0f9a-hunter2",
    "Tw33t\"\\ry&%-c4nary's $HOME <b>",
    "pässwörd-çanary-€uro",
    "first line of it\nsecond-canary-line\n",
    "c4n4ry/with+plus=and&more==",
)
"""Secrets that are known, for instance since a parameter is one."""


def _basic(value: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"admin:{value}".encode()).decode()


def _traceback(value: str) -> str:
    try:
        raise ValueError(f"cannot log in with {value!r}")
    except ValueError:
        return traceback.format_exc()


def _double_quoted(value: str) -> str:
    return "-e " + '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


SHAPES: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: f"the password is {value}, honestly",
    "glued": lambda value: f"x{value}y",
    "json": lambda value: json.dumps({"config": {"password": value}}),
    "json, unicode": lambda value: json.dumps({"config": [value]}, ensure_ascii=False),
    "json in json": lambda value: json.dumps({"body": json.dumps({"p": value})}),
    "python": lambda value: repr({"p": value}),
    "python, printed": lambda value: pprint.pformat([{"p": value}]),
    "a traceback": _traceback,
    "yaml": lambda value: yaml.safe_dump({"a": {"p": value}}, width=1000, allow_unicode=True),
    "shell": lambda value: f"mysql --defaults {shlex.quote(value)}",
    "shell, close and escape": lambda value: "echo '" + value.replace("'", "'\\''") + "'",
    "shell in json": lambda value: json.dumps({"cmd": f"login {shlex.quote(value)}"}),
    "url": lambda value: f"GET /login?p={quote(value, safe='')}",
    "url, plus": lambda value: f"POST {urlencode({'p': value})}",
    "url, small letters": lambda value: "p=" + re.sub("%..", lambda escape: escape[0].lower(), quote_plus(value)),
    "dsn": lambda value: f"postgresql://app:{quote(value, safe='')}@db:5432/app",
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, in something": lambda value: base64.b64encode(f'{{"auth": "{value}"}}'.encode()).decode(),
    "base64, safe for urls": lambda value: base64.urlsafe_b64encode(f"ab{value}c".encode()).decode(),
    "basic authentication": _basic,
    "hex": lambda value: value.encode().hex(),
    "html": lambda value: f"<p>{html.escape(value)}</p>",
    "sql": lambda value: "SET PASSWORD = '" + value.replace("'", "''") + "'",
    "diff": lambda value: "--- before\n+++ after\n" + "".join(f"+{line}\n" for line in value.splitlines()),
    "an environment": lambda value: f"HOME=/root\nDB_LOGIN={value}\nLANG=C\n",
    "arguments of a module": lambda value: json.dumps({"invocation": {"module_args": {"login": value}}}),
}
"""How a value is written; none of these texts may come through a redactor that knows the value."""


def remains(value: str) -> set[str]:
    """What of a value must not be found in a cleaned text: itself and its telling parts."""
    return {part for part in (value.strip(), *value.strip().splitlines()) if len(part) >= 8}


LOOKS: dict[str, tuple[str, str]] = {
    "aliyun key": ("accessKeyId LTAI5tQnKxV7cAnArY00xyzw", "5tQnKxV7cAnArY"),
    "aliyun sts": ("STS.NUtQcAnArYxyzw0123456789ab", "QcAnArY"),
    "aws key": ("found AKIAIOSFODNN7CANARYX in it", "IOSFODNN7CANARY"),
    "aws secret": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY", "K7MDENG"),
    "aws environment": ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxCANARY", "K7MDENG"),
    "jwt": ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c4n4ry-signature_x", "c4n4ry-signature"),
    "github": ("remote: ghp_c4n4ryc4n4ryc4n4ryc4n4ryc4n4ryc4n4ry", "c4n4ry"),
    "gitlab": ("glpat-c4n4ry_c4n4ry-c4n4ry", "c4n4ry"),
    "slack": ("xoxb-2444-c4n4ryc4n4ry", "c4n4ry"),
    "vault": ("VAULT_TOKEN hvs.CAESIc4n4ryc4n4ryc4n4ry", "c4n4ry"),
    "pem": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEc4n4ry\nabcd\n-----END RSA PRIVATE KEY-----", "c4n4ry"),
    "pem, its head": ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkc4n4ry\nabc4n4ry", "c4n4ry"),
    "pem on one line": ('"key": "-----BEGIN PRIVATE KEY-----\\nMIIEc4n4ry\\n-----END PRIVATE KEY-----"', "c4n4ry"),
    "pem in a diff": ("+-----BEGIN EC PRIVATE KEY-----\n+MHcC4n4ry\n+-----END EC PRIVATE KEY-----", "C4n4ry"),
    "pgp": ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQc4n4ry\n-----END PGP PRIVATE KEY BLOCK-----", "c4n4ry"),
    "shadow": ("root:$6$saltsalt$c4n4ryc4n4ryc4n4ryc4n4ryc4n4ry.:19000:0", "c4n4ry"),
    "bcrypt": ("admin:$2y$10$c4n4ryc4n4ryc4n4ryc4n4ryc4n4ryc4n4ry", "c4n4ry"),
    "bearer": ("> Authorization: Bearer c4n4ry.c4n4ry-c4n4ry", "c4n4ry"),
    "bearer alone": ("sent 'Bearer c4n4ryc4n4ryc4n4ry'", "c4n4ry"),
    "basic": ("authorization: Basic YWRtaW46YzRuNHJ5", "YWRtaW46"),
    "header in python": ("{'Authorization': 'token c4n4ryc4n4ry'}", "c4n4ry"),
    "cookie": ("Set-Cookie: session=c4n4ry; HttpOnly", "c4n4ry"),
    "dsn": ("connecting to amqp://app:c4n4ry@rabbit:5672/vhost failed", "c4n4ry"),
    "dsn without a user": ("redis://:c4n4ry@10.0.0.1:6379/0", "c4n4ry"),
    "environment": ("PATH=/bin\nDB_PASSWORD=c4n4ry\nMYSQL_PASS='c4n4ry two'\nLANG=C", "c4n4ry"),
    "ini": ("[client]\nuser = app\npassword = c4n4ry", "c4n4ry"),
    "yaml": ("db:\n  password: c4n4ry\n  secret_key: 'c4n4ry'\n", "c4n4ry"),
    "json": ('{"user": "app", "apiKey": "c4n4ry", "client_secret":"c4n4ry"}', "c4n4ry"),
    "json in json": ('{"body": "{\\"password\\": \\"c4n4ry\\"}"}', "c4n4ry"),
    "python": ("{'token': 'c4n4ry', 'db_password': 'c4n4ry'}", "c4n4ry"),
    "query": ("GET /v1?user=a&access_token=c4n4ry&x=1", "c4n4ry"),
    "option": ("mysqldump --password=c4n4ry --user=root", "c4n4ry"),
    "option and word": ("vault login --token c4n4ry", "c4n4ry"),
    "netrc": ("machine h login app password c4n4ry", "c4n4ry"),
    "sql": ("CREATE USER app IDENTIFIED BY 'c4n4ry'; ALTER ROLE x WITH PASSWORD 'c4n4ry'", "c4n4ry"),
    "redis": ("requirepass c4n4ry\nmasterauth c4n4ry", "c4n4ry"),
    "diff": ("-db_password: c4n4ry-old\n+db_password: c4n4ry-new", "c4n4ry"),
    "vaulted": ("$ANSIBLE_VAULT;1.1;AES256\n" + "6162636465666768696a6b6c6d6e6f70\n" * 3, "61626364"),
}
"""Secrets that nobody has named: a text, and the part of it that must not be seen."""

HARMLESS = (
    "the password is wrong",
    "update_password: always",
    "password_file: /etc/app/password",
    "no_log: true, secret: null, token: none",
    "https://example.com:8080/path?x=1#y",
    "git@github.com:owner/repository.git",
    "max_tokens: 5 of tokenizer",
    "secret:\n  name: value",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE comment",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "passed: 5, failed: 0, bypass=1",
    "total $1 and $5 for 2 items",
    "key: value, public_key: abc",
    "PWD=/root OLDPWD=/",
)
"""What must stay as it is."""
