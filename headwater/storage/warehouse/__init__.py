"""The warehouse: one DuckDB file that one process writes, and a read copy that everybody else opens.

Belongs here: who may open the file and when (`lock`, `connection`), the read copy (`publication`), the schemas and
typed tables that exist before anything is loaded (`schema`). Does not belong here: what is in a table; that is
`load`, `match`, dbt, `ml` and `push`.
"""

from __future__ import annotations

from headwater.storage.warehouse.connection import connect, connect_read
from headwater.storage.warehouse.publication import PublishReport, ReadCopy, publish, read_copy
from headwater.storage.warehouse.schema import declared_tables, ensure_schemas, replace_table, transaction

__all__ = [
    "PublishReport",
    "ReadCopy",
    "connect",
    "connect_read",
    "declared_tables",
    "ensure_schemas",
    "publish",
    "read_copy",
    "replace_table",
    "transaction",
]
