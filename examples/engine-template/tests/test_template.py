"""The base tests that lakebench has for every adapter; those of a lake start servers on this machine."""

from __future__ import annotations

from lakebench_template.engine import Template

from lakebench.iceberg.scan import Scan
from lakebench.testing import AdapterTests, ScanTests, Way, WayTests

pytest_plugins = ["lakebench.testing.fixtures"]


class TestTemplate(AdapterTests, WayTests, ScanTests):
    engine = Template
    holder = "_catalog"
    way = Way("_catalog", "load_table", Scan("t", ref="main"), "lakebench_template.engine:named_snapshot")
