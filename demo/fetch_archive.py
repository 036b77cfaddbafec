"""Run on its own: `fetch_archive.py NAME VERSION FILE TARGET` fetches a source archive, unbuilt.

`pip download` builds the metadata of a source archive, which runs its setup.py. Here pip only
finds the file, by its own settings of index and proxy, and hands it over as it lies there.
"""

import sys
from pathlib import Path

from pip._internal.commands.download import DownloadCommand


def main(name: str, version: str, file: str, target: str) -> int:
    """Exit 0 with the file at `target`; 1 where no index has it."""
    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-deps", "--no-input", f"{name}=={version}"])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        links = [found.link for found in finder.find_all_candidates(name)]
        link = next((link for link in links if link.filename == file), None)
        if link is None:
            print(f"No matching file found for {file}", file=sys.stderr)
            return 1
        if link.is_file:
            Path(target).write_bytes(Path(link.file_path).read_bytes())
            return 0
        with session.get(link.url_without_fragment, stream=True) as answer:
            answer.raise_for_status()
            with Path(target).open("wb") as out:
                for piece in answer.iter_content(1 << 20):
                    out.write(piece)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
