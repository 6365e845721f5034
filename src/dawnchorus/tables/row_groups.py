"""Row groups of a Parquet file that many small tables share: each costs kilobytes in the file, and in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

# A row group has at most so many values, 1 MB of single floats, unless one table alone has more.
VALUES = 2**18


class RowGroups:
    """Writes tables of one schema to a file, in order; whoever closes ``file`` calls :meth:`end` before."""

    def __init__(self, file: pyarrow.parquet.ParquetWriter):
        self._file = file
        self._tables: list[pyarrow.Table] = []
        self._n_groups, self._n_rows = 0, 0

    def add(self, table: pyarrow.Table) -> tuple[int, int]:
        """Add a table, and return the number of its row group and of its first row in it; none is in two groups."""
        if (self._n_rows + len(table)) * table.num_columns > VALUES:
            self.end()
        where = self._n_groups, self._n_rows
        self._tables.append(table)
        self._n_rows += len(table)
        if self._n_rows * table.num_columns >= VALUES:
            self.end()
        return where

    def end(self) -> None:
        """Write what is left."""
        import pyarrow as pa

        if self._n_rows:
            self._file.write_table(pa.concat_tables(self._tables), row_group_size=self._n_rows)
            self._n_groups, self._n_rows = self._n_groups + 1, 0
        self._tables = []
