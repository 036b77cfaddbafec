"""The pages of a segmentation, wide and on a phone: whole, labelled and quiet."""

import json

import pytest
from plumb.client import Client

from ml.zoo.blobs import cohort_folder, predictions_folder
from tests.browser.steps import sign_in
from tests.browser.test_pages import look_at

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def masked(live_portal, tmp_path_factory):
    """A person whose team has a sealed audit of masks, and the addresses of its pages."""
    person = live_portal.person("Mia Masked")
    client = Client(live_portal.url, person.token)
    made = tmp_path_factory.mktemp("masked")
    pushed = [
        client.push_cohort(cohort_folder(made / "cohort", n=8))["id"],
        client.push_predictions(predictions_folder(made / "predictions", n=8))["id"],
    ]
    cohort, predictions = (client.wait_for_upload(one, every=0.2) for one in pushed)
    audit = client.start_audit(cohort=cohort["cohort"], predictions=predictions["predictions"])
    *_, audit = client.watch(audit["id"], every=0.5)
    assert audit["state"] == "sealed", json.dumps(audit)
    team = f"{live_portal.url}/t/{person.team}"
    report = f"{team}/reports/{audit['report']}/"
    return person, {
        "cohort": f"{team}/cohorts/versions/{cohort['cohort']}/",
        "cases of the cohort": f"{team}/cohorts/versions/{cohort['cohort']}/cases/",
        "predictions": f"{team}/models/predictions/{predictions['predictions']}/",
        "new audit": f"{team}/audits/new/?predictions={predictions['predictions']}",
        "audit": audit["url"],
        "report": report,
        "cases": f"{report}cases/",
        "case": f"{report}case/b001/",
        "case without a structure": f"{report}case/b007/",
        "explore": f"{report}explore/",
        "audits": f"{team}/audits/",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_masks(theme, page, live_portal, masked):
    person, addresses = masked
    sign_in(page, live_portal.url, person)
    page.emulate_media(color_scheme=theme)

    assert {name: wrong for name, url in addresses.items() if (wrong := look_at(page, url))} == {}
