"""Phase 5: engines that spread a query over several processes, on Parquet, Iceberg and DuckLake."""
