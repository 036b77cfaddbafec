"""De-identification of DICOM by an allow-list: what `procedure.json` does not name is removed.

The table is data and nothing else, so that a browser can work by the same one (docs/adr/0054).
"""
