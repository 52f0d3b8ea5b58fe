"""Phase 11: any Iceberg REST catalog, checked against the OpenAPI document of Apache Iceberg."""
