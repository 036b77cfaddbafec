"""A volume in three planes, with the map of an audit over it: what is drawn are its numbers."""

import gzip

import nibabel
import numpy as np
import pytest
from playwright.sync_api import expect
from plumb.client import Client

from ml.zoo import nodules
from tests.browser.keyboard import unreached
from tests.browser.steps import sign_in
from tests.browser.watch import CHECK

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
PROTOCOL = "title: Maps\nchecks: [discrimination]\ndraws: 200\nkeep_maps: true\n"
LOW, HIGH = -1000.0, 1000.0  # of the model's window


@pytest.fixture(scope="module")
def volumes(audited, live_portal, tmp_path_factory):
    """A model, a cohort whose first case has a bright corner, and an audit that kept maps."""
    client, made = Client(live_portal.url, audited.person.token), tmp_path_factory.mktemp("volumes")
    folder = nodules.cohort_folder(made / "cohort", n=6)
    voxels = marked()
    image = nibabel.nifti1.Nifti1Image(voxels, np.diag([*nodules.SPACING_MM, 1.0]))
    (folder / "images" / "v0001.nii.gz").write_bytes(gzip.compress(image.to_bytes(), 1, mtime=0))
    model = client.push_model(nodules.smooth_model_folder(made / "model"))["id"]
    cohort = client.push_cohort(folder)["id"]
    model = client.wait_for_upload(model, every=0.2)["model"]
    cohort = client.wait_for_upload(cohort, every=0.2)["cohort"]
    protocol = client.push_protocol(PROTOCOL, lock=True)["id"]
    audit = client.start_audit(model=model, cohort=cohort, protocol=protocol)
    *_, audit = client.watch(audit["id"], every=0.3)
    assert audit["state"] == "sealed", live_portal.logs()
    return voxels, model, cohort, client.audit(audit["id"])


def marked():
    """Noise, with a bright block at the right, the front and the top, and a gradient to the top."""
    rng = np.random.default_rng(3)
    values = rng.normal(-700, 20, nodules.SIDES) + np.arange(32) * 5
    values[22:28, 18:22, 24:28] = 400
    return values.astype(np.int16)


READ = """it => {
  const canvas = it.querySelector('[data-slice] canvas')
  const copy = document.createElement('canvas')
  copy.width = canvas.width; copy.height = canvas.height
  const context = copy.getContext('2d')
  context.drawImage(canvas, 0, 0)
  const data = context.getImageData(0, 0, copy.width, copy.height).data
  return [copy.width, copy.height, Array.from(data.filter((_, at) => at % 4 === 0))]
}"""
OVER = """it => {
  const canvas = it.querySelector('canvas[data-over]')
  const copy = document.createElement('canvas')
  copy.width = canvas.width; copy.height = canvas.height
  const context = copy.getContext('2d')
  context.drawImage(canvas, 0, 0)
  const data = context.getImageData(0, 0, copy.width, copy.height).data
  return [copy.width, copy.height, Array.from(data)]
}"""


@pytest.fixture
def viewer(page, live_portal, audited, volumes):
    _, model, cohort, _ = volumes
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{live_portal.url}/t/{audited.person.team}/seen/{model}/?cohort={cohort}&text=v0001")
    page.get_by_role("link", name="v0001").first.click()
    if page.get_by_role("button", name="Show what the model saw").count():
        page.get_by_role("button", name="Show what the model saw").click()
    expect(page.locator("[data-viewer]")).to_have_attribute("data-state", "ready", timeout=20_000)
    return page


def pixels(page, plane):
    width, height, values = page.locator(f'[data-pane="{plane}"]').evaluate(READ)
    return np.array(values, float).reshape(height, width)


def go_to(page, **query):
    address = page.url.split("?")[0]
    page.goto(f"{address}?{'&'.join(f'{key}={value}' for key, value in query.items())}")
    expect(page.locator("[data-viewer]")).to_have_attribute("data-state", "ready", timeout=20_000)
    expect(page.locator('[data-part="map-status"]')).not_to_contain_text("Loading")


def expected(voxels, plane, voxel):
    """(rows, columns) of grey: as it is looked at, right at the left, front or top above."""
    x, y, z = voxel  # to left, back and top
    lps = voxels[::-1, ::-1, :].astype(float)
    cut = {"axial": lps[:, :, z].T, "coronal": lps[:, y, ::-1].T, "sagittal": lps[x, :, ::-1].T}
    return ((cut[plane] - LOW) / (HIGH - LOW)).clip(0, 1) * 255


MM = {"axial": (1.5, 1.5), "coronal": (2.5, 1.5), "sagittal": (2.5, 1.5)}  # down, right


@pytest.mark.parametrize("voxel", [(6, 12, 26), (20, 20, 9)])
def test_each_plane_shows_the_numbers_of_the_file_where_they_lie(viewer, volumes, voxel):
    go_to(viewer, voxel=",".join(map(str, voxel)))
    windows = viewer.locator('[data-control="window"]')
    assert "Soft tissue" in windows.inner_text()
    for plane in ("axial", "coronal", "sagittal"):
        shown = pixels(viewer, plane)
        grey = expected(volumes[0], plane, voxel)
        ends = (
            viewer.locator('[data-part="window-ends"]').inner_text().replace("−", "-").split(" to ")
        )
        low, high = (float(one) for one in ends)
        wanted = ((grey / 255 * (HIGH - LOW) + LOW - low) / (high - low)).clip(0, 1) * 255
        assert shown.std() > 10, "it is not blank"
        # The slice lies in the middle of the pane, as large as it fits.
        (down, right), (rows, columns) = MM[plane], wanted.shape
        size = min(shown.shape[0] / (rows * down), shown.shape[1] / (columns * right))
        found = sampled(shown, wanted.shape, (down, right), size)
        away = np.abs(found - wanted)
        assert np.median(away) < 6, (plane, np.median(away))
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.98
        for turned in (wanted[::-1], wanted[:, ::-1]):
            assert np.corrcoef(found.ravel(), turned.ravel())[0, 1] < 0.9, plane


def sampled(shown, sides, mm, size):
    """The pixel in the middle of each voxel, if the slice fills the pane by its own height."""
    rows, columns = sides
    height, width = shown.shape
    at = [
        (np.arange(n) + 0.5 - n / 2) * length * size + whole / 2
        for n, length, whole in ((rows, mm[0], height), (columns, mm[1], width))
    ]
    return shown[np.ix_(*(np.rint(one - 0.5).astype(int).clip(0) for one in at))]


def bright(voxels):
    """What the layer of the network gives: how far the mean about a place is above its level."""
    unit = ((np.asarray(voxels, float) - LOW) / (HIGH - LOW)).clip(0, 1)
    padded = np.pad(unit, 1)
    shifts = [padded[a : a + 32, b : b + 32, c : c + 32] for a, b, c in np.ndindex(3, 3, 3)]
    return (np.mean(shifts, axis=0) - 0.3).clip(0)


def test_the_map_lies_over_what_it_is_of(viewer, volumes):
    voxels, *_, audit = volumes
    overlay = viewer.locator('[data-control="overlay"]')
    title = overlay.locator("option").nth(1).inner_text()
    assert title == f"Grad-CAM of nodule, {audit['reference']}"
    name = overlay.locator("option").nth(1).get_attribute("value")

    go_to(viewer, voxel="6,12,26", overlay=name, opacity=80)

    assert "Explains the score" in viewer.locator('[data-part="map-status"]').inner_text()
    assert "not named" not in viewer.locator('[data-part="map-status"]').inner_text()
    assert viewer.locator(".vol-ramp").bounding_box()["width"] > 150
    assert "32 × 32 × 32 places" in viewer.locator('[data-part="map-status"]').inner_text()
    map_of = bright(voxels)
    expected_alpha = expected_map(map_of / map_of.max(), (6, 12, 26)) * 0.8 * 255
    width, height, values = viewer.locator('[data-pane="axial"]').evaluate(OVER)
    over = np.array(values, float).reshape(height, width, 4)
    alpha = sampled(over[..., 3], (32, 32), (1.5, 1.5), min(width, height) / (32 * 1.5))
    off = np.ones((32, 32), bool)
    off[12], off[:, 6] = False, False  # the cross
    assert expected_alpha[off].max() > 100
    assert np.abs(alpha - expected_alpha)[off].max() < 12
    warm = over[..., 3] > 100
    assert (over[warm][:, 0] > over[warm][:, 2]).mean() > 0.9, "it raised the score"

    overlay.select_option(label="No map")
    expect(viewer.locator('[data-part="legend"]')).to_be_hidden()
    width, height, values = viewer.locator('[data-pane="axial"]').evaluate(OVER)
    gone = np.array(values, float).reshape(height, width, 4)[..., 3]
    assert sampled(gone, (32, 32), (1.5, 1.5), min(width, height) / 48)[off].max() == 0
    assert "overlay=" not in viewer.url


def expected_map(values, voxel):
    """An axial slice, as it is looked at."""
    return values[::-1, ::-1, voxel[2]].T


def frame(page, plane):
    """Whether a pane is framed, above what is drawn in it."""
    colour = page.locator(f'[data-pane="{plane}"]').evaluate(
        "it => getComputedStyle(it, '::after').borderTopColor"
    )
    return colour != "rgba(0, 0, 0, 0)"


def test_keys_wheel_and_presses_move_through_the_volume(viewer):
    go_to(viewer, voxel="16,16,16")
    region = viewer.locator("[data-viewer]")
    region.focus()
    axial = viewer.locator('[data-pane="axial"]')
    number = axial.locator('[data-part="slice-number"]')
    expect(number).to_have_text("17 of 32")

    viewer.keyboard.press("ArrowUp")
    expect(number).to_have_text("18 of 32")
    viewer.keyboard.press("PageUp")
    viewer.keyboard.press("PageUp")
    expect(number).to_have_text("32 of 32")
    viewer.keyboard.press("3")
    viewer.keyboard.press("ArrowDown")
    sagittal = viewer.locator('[data-pane="sagittal"] [data-part="slice-number"]')
    assert [frame(viewer, plane) for plane in ("axial", "sagittal")] == [False, True]
    expect(sagittal).to_have_text("16 of 32")
    assert "voxel=15,16,31" in viewer.url

    axial.hover()
    viewer.mouse.wheel(0, 100)
    expect(number).to_have_text("31 of 32")
    before = pixels(viewer, "axial")
    box = axial.bounding_box()
    viewer.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    expect(sagittal).to_have_text("9 of 32")
    assert "voxel=8,8,30" in viewer.url
    window = viewer.locator('[data-control="window"]')
    window.select_option(label="Bone")
    assert viewer.locator('[data-part="window-ends"]').inner_text() == "−500 to 1500"
    assert pixels(viewer, "axial").mean() != pytest.approx(before.mean(), abs=2)
    region.focus()
    viewer.keyboard.press("+")
    viewer.keyboard.press("0")


@pytest.mark.parametrize("size", [PHONE, {"width": 1440, "height": 900}])
def test_it_fits_the_page_and_every_control_is_reached(viewer, size):
    viewer.set_viewport_size(size)
    go_to(viewer, voxel="6,12,26")
    pixels(viewer, "axial")
    assert viewer.evaluate(CHECK) == []
    assert unreached(viewer) == []
    for plane in ("axial", "coronal", "sagittal"):
        pane = viewer.locator(f'[data-pane="{plane}"]')
        canvas = pane.locator("[data-slice] canvas").bounding_box()
        assert canvas["width"] == pytest.approx(pane.bounding_box()["width"], abs=2)
        assert pixels(viewer, plane).std() > 5


def test_without_webgl_the_slices_stay_and_it_says_why(page, live_portal, audited, volumes):
    page.add_init_script(
        "const own = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind === 'webgl2' ? null : own.call(this, kind, ...rest) }"
    )
    _, model, cohort, _ = volumes
    sign_in(page, live_portal.url, audited.person)
    page.goto(f"{live_portal.url}/t/{audited.person.team}/seen/{model}/?cohort={cohort}&text=v0001")
    page.get_by_role("link", name="v0001").first.click()
    if page.get_by_role("button", name="Show what the model saw").count():
        page.get_by_role("button", name="Show what the model saw").click()
    expect(page.locator('[data-part="status"]')).to_contain_text("no WebGL")
    expect(page.locator(".seen-steps img").first).to_be_visible()
    expect(page.locator('[data-pane="axial"]')).to_be_hidden()
