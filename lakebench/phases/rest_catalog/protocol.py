"""All protocol checks, by the parts that ``--checks`` names."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.phases.rest_catalog.answer_forms import ANSWER_FORMS
from lakebench.phases.rest_catalog.auth import LOGINS
from lakebench.phases.rest_catalog.checks import Subject
from lakebench.phases.rest_catalog.commits import COMMITS, STAGED
from lakebench.phases.rest_catalog.credentials import CREDENTIALS
from lakebench.phases.rest_catalog.listings import CONFIGURATION, PAGES
from lakebench.phases.rest_catalog.names import NAMES
from lakebench.phases.rest_catalog.namespaces import NAMESPACES
from lakebench.phases.rest_catalog.races import RACES
from lakebench.phases.rest_catalog.storage import STORAGE
from lakebench.phases.rest_catalog.tables import TABLES
from lakebench.phases.rest_catalog.transactions import REGISTRATION, RENAMES, TRANSACTIONS
from lakebench.phases.rest_catalog.views import VIEWS

SUBJECTS: Mapping[str, tuple[Subject, ...]] = {
    "protocol": (
        CONFIGURATION, NAMESPACES, TABLES, COMMITS, STAGED, TRANSACTIONS, RENAMES, REGISTRATION, VIEWS, PAGES,
        ANSWER_FORMS,
    ),
    "auth": (LOGINS,),
    "credentials": (CREDENTIALS,),
    "names": (NAMES,),
    "races": (RACES,),
    "storage": (STORAGE,),
}  # fmt: skip
"""Part → the subjects of its checks, in the order of the report."""
GROUPS: Mapping[str, str] = {
    "protocol": "Protocol",
    "auth": "Logins",
    "credentials": "Keys of the store",
    "names": "Hostile names",
    "races": "Races",
    "storage": "Objects in the store",
}
"""Part → the title of its matrix."""
