"""Files elsewhere than in a folder: the address of an object store, and blobs kept in one."""

import pytest
from django.core.files.storage import InMemoryStorage, default_storage

from portal import env
from portal.blobs import store
from portal.blobs.models import Blob
from tests.services.object_store import pretending

pytestmark = [pytest.mark.services]


def test_an_address_with_everything():
    options = env.s3_options(
        "s3://KEY:a%2Fb%2Bc@bucket/some/prefix?endpoint_url=http://objects:9000&region_name=eu-1"
    )
    assert options == {
        "bucket_name": "bucket",
        "location": "some/prefix",
        "access_key": "KEY",
        "secret_key": "a/b+c",
        "endpoint_url": "http://objects:9000",
        "region_name": "eu-1",
        "default_acl": None,
        "querystring_auth": True,
        "file_overwrite": True,
    }


def test_an_address_without_keys_leaves_them_to_the_machine():
    options = env.s3_options("s3://bucket")
    assert options["location"] == ""
    assert not {"access_key", "secret_key"} & set(options)


def test_values_that_are_no_text_are_read_as_such():
    options = env.s3_options("s3://b?verify=false&use_ssl=true&max_memory_size=1048576")
    assert (options["verify"], options["use_ssl"]) == (False, True)
    assert options["max_memory_size"] == 1048576


@pytest.mark.parametrize(
    "url", ["http://bucket/x", "s3:///prefix", "bucket", "s3://KEY@bucket", "s3://K:a/b@bucket"]
)
def test_an_address_that_cannot_be_meant_is_refused(url):
    with pytest.raises(ValueError, match="STORAGE_URL"):
        env.s3_options(url)


@pytest.fixture
def object_store(db, settings):
    """The real client against a store that answers like one, reached through `STORAGE_URL`."""
    with pretending() as (address, objects):
        options = env.s3_options(
            f"s3://KEY:a%2Fsecret@bucket/pre/fix?endpoint_url={address}&region_name=us-east-1"
        )
        settings.STORAGES = settings.STORAGES | {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        }
        yield objects


def test_an_object_store_keeps_blobs(object_store, tmp_path):
    data = bytes(range(256)) * 512
    blob = store.put_bytes(data, "image/png")
    assert object_store == {f"/bucket/pre/fix/{blob.storage_name}": data}
    assert store.read_bytes(blob) == data
    assert store.local_path(blob, tmp_path, ".png").read_bytes() == data
    object_store[f"/bucket/pre/fix/{blob.storage_name}"] = b"changed since"
    with pytest.raises(store.Damaged):
        store.read_bytes(blob)


@pytest.fixture
def elsewhere(db, settings):
    """A store without paths, as an object store is."""
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    default_storage.exists("")  # built now
    assert isinstance(default_storage._wrapped, InMemoryStorage)
    return default_storage


def test_blobs_go_in_and_come_out(elsewhere):
    blob = store.put_bytes(b"some bytes", "text/plain")
    assert elsewhere.exists(blob.storage_name)
    assert store.read_bytes(blob) == b"some bytes"
    with store.open_blob(blob) as file:
        assert file.read() == b"some bytes"


def test_the_same_bytes_are_stored_once(elsewhere):
    first, second = store.put_bytes(b"twice"), store.put_bytes(b"twice")
    assert first == second
    folder = first.storage_name.rsplit("/", 1)[0]
    assert elsewhere.listdir(folder)[1] == [first.sha256]


def test_bytes_without_a_row_are_taken_over(elsewhere):
    """A crash between file and row leaves a file; the next who brings the bytes gets it whole."""
    blob = store.put_bytes(b"left behind")
    Blob.objects.all().delete()
    again = store.put_bytes(b"left behind")
    assert again.pk == blob.pk
    assert store.read_bytes(again) == b"left behind"


def test_a_child_gets_a_copy_in_the_folder(elsewhere, tmp_path):
    blob = store.put_bytes(b"weights")
    path = store.local_path(blob, tmp_path, ".onnx")
    assert path == tmp_path / f"{blob.sha256}.onnx"
    assert path.read_bytes() == b"weights"
    bare = store.local_path(blob, tmp_path)
    assert bare.parent == tmp_path
    assert bare.read_bytes() == b"weights"


def test_changed_bytes_are_found_out(elsewhere):
    blob = store.put_bytes(b"as handed in")
    elsewhere.delete(blob.storage_name)
    with elsewhere.open(blob.storage_name, "wb") as file:
        file.write(b"changed since")
    with pytest.raises(store.Damaged):
        store.read_bytes(blob)
