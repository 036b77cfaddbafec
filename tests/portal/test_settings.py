"""What the environment chooses, read in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from portal import env

ASK = (
    "import django, json; django.setup(); from django.conf import settings as s;"
    "print(json.dumps({'db': s.DATABASES['default']['ENGINE'], 'broker': s.CELERY_BROKER_URL,"
    "'files': s.STORAGES['default']['BACKEND'], 'host': s.DATABASES['default'].get('HOST')}))"
)


def settings_with(tmp_path, **given):
    environment = {**os.environ, "PLUMBLINE_HOME": str(tmp_path), **given}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    ran = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


def test_nothing_set_means_embedded(tmp_path):
    chosen = settings_with(tmp_path)

    assert chosen["db"].endswith("sqlite3")
    assert chosen["broker"].startswith("redis+socket://")
    assert chosen["files"].endswith("FileSystemStorage")


def test_production_is_chosen_without_code(tmp_path):
    chosen = settings_with(
        tmp_path,
        DATABASE_URL="postgres://u:p@db:5432/plumbline",
        REDIS_URL="redis://:p@redis:6379/0",
        STORAGE_URL="s3://key:secret@bucket?endpoint_url=http://objects:9000",
    )

    assert chosen["db"].endswith("postgresql")
    assert chosen["host"] == "db"
    assert chosen["broker"] == "redis://:p@redis:6379/0"
    assert chosen["files"].endswith("S3Storage")


def test_a_home_too_deep_for_a_socket_still_gets_one(tmp_path):
    deep = tmp_path / ("x" * 90)
    broker = settings_with(deep)["broker"]

    assert len(broker.removeprefix("redis+socket://")) < 108


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("off", False)])
def test_flags(monkeypatch, text, value):
    monkeypatch.setenv("HTTPS", text)
    assert env.flag("HTTPS", False) is value


def test_a_flag_that_is_neither_is_said(monkeypatch):
    monkeypatch.setenv("HTTPS", "maybe")
    with pytest.raises(ValueError, match="HTTPS must be true or false"):
        env.flag("HTTPS", False)


def test_every_setting_read_is_documented(repo_root):
    import re

    example = (repo_root / ".env.example").read_text()
    for name in re.findall(
        r'env\.\w+\(\s*"([A-Z_]+)"', (repo_root / "portal/settings.py").read_text()
    ):
        assert f"{name}=" in example, name
