"""Every refusal code in the code is explained on its page, and the page explains no other."""

import ast
import re

FOLDERS = ("intake", "imaging", "imaging/deid", "engine", "cli", "endpoint")
MAKERS = {"refuse", "_bad", "add", "ImageError", "ModelError", "EndpointError", "Refusal"}
NAMES = {"voxel_ml"}  # single words with a bar that are assigned and no code
PAGE_ROW = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)


def codes_in(text):
    """First argument of whatever makes a refusal, and single codes that are assigned."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in MAKERS:
                for argument in node.args[:2]:
                    for part in ast.walk(argument):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            yield part.value
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def test_the_page_lists_exactly_the_codes_in_use(repo_root):
    page = (repo_root / "docs" / "intake-codes.md").read_text()
    files = [path for name in FOLDERS for path in (repo_root / "ml" / name).glob("*.py")]
    files.append(repo_root / "ml" / "assemble.py")
    text = "\n".join(path.read_text() for path in files)
    used = {
        code
        for path in files
        for code in codes_in(path.read_text())
        if re.fullmatch(r"[a-z]+(_[a-z]+)+|truncated", code)
    } - NAMES

    listed = set(PAGE_ROW.findall(page))

    assert used - listed == set()
    assert {code for code in listed if f'"{code}"' not in text} == set()
