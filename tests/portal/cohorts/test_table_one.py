"""Table 1: hand-counted columns"""

from typing import Any

from portal.cohorts.table_one import TableOne, table_one


def catalogue(columns: dict[str, list[Any]], labels: list[str | None], **more: Any) -> Any:
    cases = [
        {
            "case_id": f"c{n}",
            "label": label,
            "images": [],
            "covariates": {name: values[n] for name, values in columns.items()},
        }
        for n, label in enumerate(labels)
    ]
    base = {"cases": cases, "classes": ["yes", "no"], "positive": ["yes"]}
    return base | {"covariates": list(columns)} | more


def rows(table: TableOne) -> dict[str, tuple[str, ...]]:
    return {line.name: line.cells for line in table.lines}


def test_a_number_is_median_and_quartiles() -> None:
    ages = [str(n) for n in range(1, 21)]
    table = table_one(catalogue({"age": ages}, ["yes"] * 10 + ["no"] * 10))

    assert [group.title for group in table.groups] == ["All", "yes", "no"]
    # quartiles by linear interpolation: of 1..20, 1..10 and 11..20
    assert rows(table)["age"] == ("10.5 [5.75, 15.2]", "5.5 [3.25, 7.75]", "15.5 [13.2, 17.8]")


def test_the_difference_is_in_pooled_spreads() -> None:
    ages = [str(n) for n in range(1, 21)]
    table = table_one(catalogue({"age": ages}, ["yes"] * 10 + ["no"] * 10))

    # means 5.5 and 15.5, both variances 9.1667: 10 / 3.0277
    assert table.compares
    assert table.lines[0].difference == "3.30"


def test_few_cases_get_counts_and_ranges_only() -> None:
    table = table_one(
        catalogue({"age": ["3", "1", "2"], "sex": ["f", "m", "f"]}, ["yes", "no", "no"])
    )

    assert rows(table)["age"][0] == "1 to 3"
    assert rows(table)["f"] == ("2 of 3", "1 of 1", "1 of 2")
    assert not table.compares


def test_what_is_missing_is_counted() -> None:
    sexes = ["f"] * 6 + ["m"] * 4 + [None, ""]
    table = table_one(catalogue({"sex": sexes}, ["yes"] * 12))

    assert rows(table)["missing"] == ("2 (16.7 %)", "2 (16.7 %)")
    assert rows(table)["f"][0] == "6 (50.0 %)"


def test_many_levels_are_summed_up() -> None:
    sites = [f"site-{n}" for n in range(12)]
    table = table_one(catalogue({"site": sites}, ["yes"] * 12))

    assert rows(table)["4 other values"] == ("4 (33.3 %)", "4 (33.3 %)")


def test_cases_without_label_are_a_column() -> None:
    table = table_one(catalogue({"age": ["1", "2", "3"]}, ["yes", None, None]))

    assert [(group.title, group.n) for group in table.groups] == [
        ("All", 3),
        ("yes", 1),
        ("No label", 2),
    ]


def test_many_classes_become_present_and_absent() -> None:
    classes = ["a", "b", "c", "d", "e"]
    table = table_one(
        catalogue({"age": ["1"] * 5}, list(classes), classes=classes, positive=["a", "b"])
    )

    assert [(group.title, group.n) for group in table.groups] == [
        ("All", 5),
        ("Finding present", 2),
        ("Finding absent", 3),
    ]


def test_no_spread_gives_no_difference() -> None:
    labels: list[str | None] = ["yes"] * 10 + ["no"] * 10 + [None]
    table = table_one(catalogue({"size": ["1"] * 10 + ["2"] * 10 + ["3"]}, labels))

    assert table.lines[0].difference == "no spread"


def test_two_values_are_levels_not_a_measurement() -> None:
    table = table_one(catalogue({"dose": ["1", "2"]}, ["yes", "no"]))

    assert rows(table)["dose"] == ("", "", "")
    assert rows(table)["1"] == ("1 of 2", "1 of 1", "0 of 1")


def test_measurements_of_the_author_are_not_repeated() -> None:
    images = [{"width": 16, "height": 12, "size_bytes": 900, "mode": "L"}]
    given = catalogue({"width_px": ["16", "16"]}, ["yes", "no"])
    for case in given["cases"]:
        case["images"] = images

    assert "Image width, px" not in rows(table_one(given))
    given["covariates"] = []
    assert rows(table_one(given))["16"] == ("2 of 2", "1 of 1", "1 of 1")
