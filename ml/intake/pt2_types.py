"""Types of numbers as torch's export format counts them."""

from ml.intake.schema import Entry, Malformed

DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool",
}  # fmt: skip


def dtype_of(entry: Entry) -> str:
    """The type that an entry of the format names by its number.

    Raises:
        Malformed: for one that is not read (complex numbers, quantised ones, bfloat16).
    """
    code = entry.integer()
    if code not in DTYPES:
        raise Malformed(f"{entry.where} has numbers of type {code}, which is not read")
    return DTYPES[code]
