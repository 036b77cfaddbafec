"""`python -m demo.serve`: what `make demo` calls once everything is installed."""

import argparse
import json
import os
import sys
import time

import django


def main() -> int:
    options = _parser().parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    # Only now: these modules need the settings.
    from django.core.management import call_command

    from demo.folders import FolderError
    from demo.packages import PackageError
    from demo.run import PEOPLE, Demo, DemoFailed
    from demo.summary import summary
    from portal.launcher import CannotStart, Launcher
    from portal.operations.management.commands.serve import end_on_sigterm

    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", flush=True)

    end_on_sigterm()
    say("Preparing the database.")
    call_command("migrate", verbosity=0)
    url = f"http://localhost:{options.port}"
    try:
        with Launcher(port=options.port) as launcher:
            launcher.wait_until_it_serves()
            say(f"Broker, worker and portal run; {url} answers.")
            demo = Demo(
                cases=options.cases,
                say=say,
                check=launcher.check,
                stress_cases=options.stress_cases,
                explain_cases=options.explain_cases,
                waits=options.once,
            )
            demo.run()
            result = summary(demo.audits, url, demo.home)
            say(f"Done. Finished report: {result['audits'][0]['report_url']}")
            for name, email, teams, role in PEOPLE:
                say(f"  {name}: {email}, password {demo.password()} ({role} in {', '.join(teams)})")
            if options.once:
                print(json.dumps(result), flush=True)
            else:
                launcher.stay(lambda line: print(line, flush=True))
    except (CannotStart, DemoFailed, FolderError, PackageError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if not options.once else 130
    return 0


def _parser() -> argparse.ArgumentParser:
    from demo import explained, stress
    from demo.__main__ import _cases

    parser = argparse.ArgumentParser(prog="python -m demo.serve", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the audits are sealed")
    parser.add_argument("--cases", type=_cases, default=300, help="an even number, or all")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--stress-cases", type=int, default=stress.CASES, help="of which corrupted copies are run"
    )
    parser.add_argument(
        "--explain-cases", type=int, default=explained.CASES,
        help="whose pictures are taken apart to try maps; 0 leaves that audit out",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
