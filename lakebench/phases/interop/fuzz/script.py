"""A program that makes the table of a finding without lakebench, of the statements that its engines got."""

from __future__ import annotations

from collections.abc import Sequence

from lakebench.datasets.interop.random_programs import Program

ENGINE = "duckdb"
"""The engine whose statements are a program as they are."""
_HEAD = '''\
"""{title}

The catalog and the store are those of the variables below; lakebench up rest-catalog prints such ones.
"""

import os

LAKE = {{name: os.environ[name] for name in ("CATALOG", "WAREHOUSE", "STORE", "KEY", "SECRET")}}
'''
_DUCKDB = '''
# pip install duckdb duckdb-extensions duckdb-extension-iceberg duckdb-extension-httpfs duckdb-extension-avro
import duckdb
from duckdb_extensions import import_extension

con = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    import_extension(name, con=con)
    con.load_extension(name)
con.sql(f"""CREATE SECRET (TYPE s3, KEY_ID '{{LAKE["KEY"]}}', SECRET '{{LAKE["SECRET"]}}', URL_STYLE 'path',
    ENDPOINT '{{LAKE["STORE"].partition("://")[2]}}', USE_SSL false)""")
con.sql(f"ATTACH '{{LAKE['WAREHOUSE']}}' AS {lake} (TYPE iceberg, ENDPOINT '{{LAKE['CATALOG']}}', AUTHORIZATION_TYPE 'none')")
'''  # noqa: E501 - lines of the program


def of(program: Program, statements: Sequence[Sequence[str]], reads: Sequence[str], lake: str, title: str) -> str:
    """The program with the ``reads`` in the end, empty where another engine has a part: its calls are no program."""
    hands = {one.by.partition("@")[0] for one in program if one.by}
    if hands != {ENGINE}:
        return ""
    texts = [text for one in statements for text in one]
    lines = [f"con.sql({text!r})" for text in texts] + [f"print(con.sql({text!r}))" for text in reads]
    return _HEAD.format(title=title) + _DUCKDB.format(lake=lake) + "\n" + "\n".join(lines) + "\n"
