"""Fills an empty home with instances to be asked for, as `python -m benchmarks.wado_seed FOLDER`.

The files of the folder are read as a cohort is read. Prints the token, and the address of each.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def main(folder: Path) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)

    from ml.intake.cohort import read_cohort
    from ml.sandbox.messages import Reporter
    from portal.accounts.actions import create_team, create_token
    from portal.accounts.models import User
    from portal.intake.actions import accept, hand_in
    from portal.intake.models import Upload, UploadKind
    from portal.leases import claim

    owner = User.objects.create_user("bench@example.org", "a long password", name="bench")
    team = create_team(owner=owner, name="Bench")
    _, secret = create_token(actor=owner, team=team, name="bench")
    with tempfile.TemporaryDirectory() as out:
        result = read_cohort(folder, Path(out), Reporter(lambda _: None, lambda *_: None))
        from portal.blobs import store

        upload = hand_in(
            actor=owner, team=team, kind=UploadKind.COHORT, file_name="bench.zip",
            blob=store.put_bytes(b"read already"),
        )  # fmt: skip
        fence = claim(Upload, upload.pk)
        assert fence is not None
        upload.refresh_from_db()
        accept(upload, fence, result, Path(out), [])
    upload.refresh_from_db()
    assert upload.cohort_version is not None
    rows = upload.cohort_version.instances.order_by("pk")
    print(json.dumps({
        "token": secret,
        "addresses": [
            f"studies/{row.study_uid}/series/{row.series_uid}/instances/{row.sop_uid}"
            for row in rows
        ],
    }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
