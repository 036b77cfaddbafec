"""Settings under which tests of the portal run on PostgreSQL: everything else stays embedded."""

import os

import dj_database_url

from portal.settings import *  # noqa: F403

DATABASES = {
    "default": dj_database_url.parse(os.environ.get("TESTS_ON_DATABASE_URL", "sqlite://:memory:"))
}
