"""Reads the static API keys of `caesura serve`, and prevents that a client's own key is mistaken for one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from caesura.cli.database import default_database, wall_clock
from caesura.cli.errors import require_server_extra
from caesura.cli.key_list import split_keys
from caesura.errors import UsageError

_log = logging.getLogger("caesura.server")

CLIENT_VARIABLE = "CAESURA_KEY"
VARIABLE = "CAESURA_STATIC_KEYS"


def static_keys(given: Iterable[str], database: str | None) -> tuple[str, ...]:
    """The keys of `--key` or its variable, each once.

    `CAESURA_KEY` held them in earlier versions, and is the key that clients present. If it is the only one, it is
    unclear whether the server should accept that key, or was started in the shell of a client.

    Args:
        given: Texts of one or more keys.
        database: Path or URL of the server's ledger; None for the usual place.

    Raises:
        UsageError: `CAESURA_KEY` is set to a key that the ledger does not know, and no static key is given.
        LedgerError: The ledger cannot be read.
    """
    keys = split_keys(given)
    client_keys = split_keys([os.environ.get(CLIENT_VARIABLE, "")])
    if not client_keys:
        return keys
    if not keys and not _all_known(client_keys, database or default_database()):
        raise UsageError(
            f"{CLIENT_VARIABLE} is set, which is the key that clients present; servers no longer accept it as a key: "
            f"unset it, or put the keys that this server should accept into {VARIABLE}"
        )
    _log.info("%s is ignored: it is the key that clients on this machine present", CLIENT_VARIABLE)
    return keys


def _all_known(keys: Iterable[str], database: str) -> bool:
    """Whether the ledger has all these keys, revoked and expired ones included."""
    with require_server_extra():
        from caesura.ledger.database import open_ledger
        from caesura.ledger.keys import key_of_secret
    try:
        ledger = open_ledger(database, now=wall_clock(), create=False)
    except UsageError:
        # There is no ledger yet, or the location is wrong, which the server reports when it starts.
        return False
    with ledger, ledger.reading() as connection:
        return all(key_of_secret(connection, key) is not None for key in keys)
