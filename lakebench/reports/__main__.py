"""``python -m lakebench.reports FOLDER EARLIER…`` writes the reports of a run, in a process of its own."""

import sys
from pathlib import Path

from lakebench import reports
from lakebench.errors import UsageError
from lakebench.outcomes import ExitCode

try:
    folder, *earlier = map(Path, sys.argv[1:])
    reports.write(folder, earlier)
except UsageError as error:
    print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
    sys.exit(ExitCode.USAGE)
