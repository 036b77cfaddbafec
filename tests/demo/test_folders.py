import csv

import pytest
import yaml

from demo.folders import FolderError, replaced, write_csv, write_yaml


def test_a_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "deep" / "cohort"

    with pytest.raises(FileNotFoundError), replaced(target) as folder:
        (folder / "cohort.yaml").write_text((folder / "nowhere").read_text())

    assert list(target.parent.iterdir()) == []


def test_an_earlier_build_is_replaced_whole(tmp_path):
    target = tmp_path / "cohort"
    for content in ("one", "two"):
        with replaced(target) as folder:
            (folder / "cohort.yaml").write_text(content)
            (folder / f"{content}.txt").touch()

    assert sorted(path.name for path in target.iterdir()) == ["cohort.yaml", "two.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["cohort"]


def test_an_earlier_build_stays_when_the_next_one_breaks(tmp_path):
    target = tmp_path / "cohort"
    with replaced(target) as folder:
        (folder / "cohort.yaml").write_text("one")

    with pytest.raises(RuntimeError), replaced(target):
        raise RuntimeError

    assert (target / "cohort.yaml").read_text() == "one"


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(FolderError, match="holds other files"), replaced(tmp_path):
        pytest.fail("was let in")

    assert (tmp_path / "thesis.txt").exists()


def test_a_link_or_a_file_is_left_alone(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)

    for name in ("file", "link"):
        with pytest.raises(FolderError, match="is not a folder"), replaced(tmp_path / name):
            pytest.fail("was let in")


def test_yaml_reads_back_and_keeps_its_order(tmp_path):
    content = {"title": "Zeta", "classes": ["b", "a"], "notes": "One.\n\nTwo: three."}

    write_yaml(tmp_path / "cohort.yaml", content)

    text = (tmp_path / "cohort.yaml").read_text()
    assert yaml.safe_load(text) == content
    assert list(yaml.safe_load(text)) == list(content)
    assert "classes: [b, a]" in text


def test_csv_reads_back_exactly(tmp_path):
    number = 0.1 + 0.2

    write_csv(tmp_path / "t.csv", ("a", "b", "c"), [(number, None, 'x, "y"')])

    with (tmp_path / "t.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["a"]) == number
    assert (row["b"], row["c"]) == ("", 'x, "y"')
