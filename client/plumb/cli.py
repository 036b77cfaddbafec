"""`plumb`: what a person types. Exit codes: 0 done, 1 a limit failed, 2 refused or impossible."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from plumb import __version__, commands
from plumb.client import Client
from plumb.errors import PlumbError, Refused
from plumb.show import refusals, scan

KINDS = ("near", "far", "shifted")
Group: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except Refused as refused:
        print(f"plumb: {refused}", file=sys.stderr)
        refusals(refused.refusals)
        scan(refused.scan)
    except PlumbError as error:
        print(f"plumb: {error}", file=sys.stderr)
        for problem in error.details.get("problems", [])[1:]:
            print(f"       {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nplumb: stopped watching; the portal goes on by itself.", file=sys.stderr)
    return commands.REFUSED


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="plumb", description=__doc__)
    top.add_argument("--version", action="version", version=f"plumb {__version__}")
    nouns = top.add_subparsers(required=True, metavar="COMMAND")
    login = nouns.add_parser("login", help="keep the address of a portal and a token")
    login.add_argument("--url", required=True, help="such as https://plumbline.example.org")
    login.add_argument("--token", help="asked for when left out; made on your account page")
    login.set_defaults(run=commands.login)
    for noun, words in (
        ("models", "a model folder, a zip of it, or weights with --manifest"),
        ("cohorts", "a cohort folder or a zip of it"),
        ("predictions", "a predictions folder or a zip of it"),
    ):
        verbs = _verbs(nouns, noun, "hand in, list")
        push = verbs.add_parser("push", help=f"hand in {words}")
        push.add_argument("path", type=Path)
        push.add_argument("--no-wait", action="store_true", help="do not wait until it is read")
        if noun == "models":
            push.add_argument("--manifest", type=Path, help="model.yaml for a weights file")
        if noun == "cohorts":
            push.add_argument("--no-seal", action="store_true", help="leave it a draft")
        _run(push, commands.push, noun)
        _run(verbs.add_parser("list", help=f"the {noun} of the team"), commands.listed, noun)
    _protocols(nouns)
    _audits(nouns)
    _reports(nouns)
    return top


def _protocols(nouns: Group) -> None:
    verbs = _verbs(nouns, "protocols", "write and lock, list")
    push = verbs.add_parser("push", help="write a protocol from protocol.yaml and lock it")
    push.add_argument("file", type=Path)
    push.add_argument("--name", default="", help="default: the title in the file")
    push.add_argument("--no-lock", action="store_true", help="leave it a draft")
    _run(push, commands.push_protocol)
    _run(verbs.add_parser("list", help="the protocols of the team"), commands.listed, "protocols")


def _audits(nouns: Group) -> None:
    verbs = _verbs(nouns, "audits", "start, watch, stop, resume, list")
    start = verbs.add_parser("start", help="start an audit")
    start.add_argument("--cohort", required=True, metavar="ID", help="a sealed cohort version")
    subject = start.add_mutually_exclusive_group()
    subject.add_argument("--model", metavar="ID", help="an accepted model version")
    subject.add_argument("--predictions", metavar="ID")
    start.add_argument("--protocol", metavar="ID", help="locked; left out: the platform default")
    start.add_argument("--title", default="")
    start.add_argument(
        "--foreign", metavar="KIND=ID", action="append", type=_foreign, default=[],
        help="a cohort version that the model was not made for; near=, far= or shifted= before it; "
        "may be given several times",
    )  # fmt: skip
    start.add_argument("--reference", metavar="ID", help="a cohort like its development data")
    start.add_argument("--watch", action="store_true", help="stay until it is sealed")
    _run(start, commands.start)
    for verb, words in (
        ("watch", "stay until an audit is sealed"),
        ("stop", "stop an audit; what is done is kept"),
        ("resume", "take up a stopped or failed audit"),
    ):
        one = verbs.add_parser(verb, help=words)
        one.add_argument("id")
        _run(one, getattr(commands, verb))
    listing = verbs.add_parser("list", help="the audits of the team")
    listing.add_argument("--state", default="", help="waiting, running, sealed, ...")
    _run(listing, commands.listed, "audits")


def _foreign(text: str) -> tuple[str, str]:
    kind, sign, cohort = text.partition("=")
    if not sign or kind not in KINDS or not cohort:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of near=ID, far=ID, shifted=ID")
    return kind, cohort


def _reports(nouns: Group) -> None:
    verbs = _verbs(nouns, "reports", "fetch, list")
    get = verbs.add_parser("get", help="fetch the sealed audit.json of a report")
    get.add_argument("id", help="of the report or of its audit")
    get.add_argument("--out", type=Path, help="file to write; left out: standard output")
    _run(get, commands.get_report)
    _run(verbs.add_parser("list", help="the reports of the team"), commands.listed, "reports")


def _verbs(nouns: Group, noun: str, words: str) -> Group:
    return nouns.add_parser(noun, help=words).add_subparsers(required=True, metavar="VERB")


def _run(
    command: argparse.ArgumentParser,
    run: Callable[[Client, argparse.Namespace], int],
    noun: str = "",
) -> None:
    command.add_argument("--json", action="store_true", help="print the portal's answer as JSON")
    command.set_defaults(run=lambda given: run(Client.from_config(), given), noun=noun)


if __name__ == "__main__":
    sys.exit(main())
