"""The lies that :mod:`wrong_catalog` can be told to tell."""

from __future__ import annotations

import enum


class Fault(enum.Enum):
    """What the catalog does wrong."""

    STALE_ASSERTIONS = "accepts assertions that do not hold"
    LOST_PROPERTIES = "forgets the properties that a table is created with"
    MISSING_TABLE = "answers 200 for a missing table"
    OLD_SCHEMA = "answers the creation of a table that is there with the table that is there"
    FOREIGN_KEYS = "gives the keys of another table"
    ROWS_BACK = "puts the rows of the snapshot before back with each other commit"
    BOTH_WIN = "lets several commits win that were sent at once"
    HALF_TRANSACTION = "keeps the first half of a transaction that fails"
    UNSIGNED = "lets in whoever has a token that is not signed"
    ANY_SIGNATURE = "lets in whoever has a token, however it is signed"
    EXPIRED = "lets in whoever has a token that has expired"
    ANY_NAMESPACE = "lets whoever has a token for one namespace into the others"
    ANY_WRITES = "lets whoever has a token to read write too"
    BODIES = "does not look at the namespaces in a body"
    OPEN_DOOR = "lets in whoever has no token"
    PURGES_ALWAYS = "removes the files with each drop"
    PURGES_PREFIX = "purges all that begins alike"
    PAGE_REPEATS = "repeats an entry on the next page"
    FIRST_OF_A_KIND = "makes only the first of two updates of a kind"
    LAST_PROPERTY = "keeps the last property"
    PATTERN = "takes a name as a pattern when it drops"
    WRONG_TYPE = "answers a missing namespace with the type of another error"
    BAD_FORM = "has a number where the schema has text"
    WIDE_KEYS = "gives keys of the whole store"
    LASTING_KEYS = "gives keys that do not end when it says"
    UNASKED_KEYS = "gives keys to whoever loads a table"
    REUSED_UUID = "gives a table that is made again the state of before"
    KEY_ALONE = "gives a key without its secret"
