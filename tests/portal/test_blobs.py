import hashlib
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from portal.blobs import store
from portal.blobs.models import Blob


def test_the_same_bytes_are_stored_once(db):
    first, second = store.put_bytes(b"pixels", "image/png"), store.put_bytes(b"pixels")

    assert first == second
    assert first.sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert Blob.objects.get().media_type == "image/png"
    assert store.read_bytes(first) == b"pixels"


def test_changed_bytes_are_noticed(db):
    blob = store.put_bytes(b"pixels")
    path = Path(default_storage.path(blob.storage_name))
    path.chmod(0o640)  # it is stored read-only
    path.write_bytes(b"Pixels")

    with pytest.raises(store.Damaged, match="has changed"):
        store.read_bytes(blob)


def test_nothing_but_the_hash_names_a_file(db, tmp_path):
    upload = tmp_path / "..name with ; strange | parts.png"
    upload.write_bytes(b"x")

    blob = store.put_path(upload)

    assert blob.storage_name == f"blobs/{blob.sha256[:2]}/{blob.sha256}"


def test_a_job_folder_is_gone_afterwards(db):
    with store.local_folder() as folder:
        (folder / "left").write_text("behind")
    assert not folder.exists()
