"""Where the pages of one report are, for whoever reads it: a member, a link's holder, paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from portal.reports.models import Report, ShareLink

BLOB_SCHEME = "blob:"


@dataclass(frozen=True)
class Door:
    """One way in. Addresses are empty where this way does not lead."""

    namespace: str  # of the routes: "reports", "shared"; empty on paper, which leads nowhere
    args: tuple[object, ...] = ()
    shows_images: bool = True
    is_shared: bool = False
    is_paper: bool = False
    has_points: bool = True  # whether the report holds something that can be explored

    @property
    def report(self) -> str:
        return self._to("report")

    @property
    def pdf(self) -> str:
        return self._to("pdf")

    @property
    def audit_json(self) -> str:
        return self._to("audit-json")

    @property
    def explore(self) -> str:
        return self._to("explore") if self.has_points and not self.is_shared else ""

    @property
    def share(self) -> str:
        return "" if self.is_shared else self._to("share")

    @property
    def palette(self) -> str:
        return "print" if self.is_paper else "page"

    def cases(self, **query: object) -> str:
        return self.with_query(self._to("cases"), query)

    def case(self, case_id: str, query: Mapping[str, object] | None = None) -> str:
        return self.with_query(self._to("case", case_id), query or {})

    def image(self, sha256: str) -> str:
        if not self.shows_images:
            return ""
        return BLOB_SCHEME + sha256 if self.is_paper else self._to("image", sha256)

    def worsened(self, strip: int, severity: int) -> str:
        """A picture of a corrupted case: made when asked for, so never on paper."""
        if self.is_paper or not self.shows_images:
            return ""
        return self._to("worsened-picture", strip, severity)

    @property
    def worsened_make(self) -> str:
        return "" if self.is_shared else self._to("worsened-make")

    @property
    def worsened_progress(self) -> str:
        return "" if self.is_shared else self._to("worsened-progress")

    def regions(self, case_id: str) -> str:
        """Where a model is asked about regions of a case: by the team alone."""
        return "" if self.is_shared else self._to("regions", case_id)

    def csv(self, name: str) -> str:
        return self._to("csv", name)

    def with_query(self, address: str, query: Mapping[str, object]) -> str:
        given = {key: value for key, value in query.items() if value not in ("", None)}
        return f"{address}?{urlencode(given)}" if address and given else address

    def _to(self, name: str, *more: object) -> str:
        if not self.namespace:
            return ""
        return reverse(f"{self.namespace}:{name}", args=[*self.args, *more])


def team_door(report: Report) -> Door:
    return Door("reports", (report.team.slug, report.pk))


def shared_door(link: ShareLink, token: str) -> Door:
    return Door("shared", (token,), shows_images=link.with_images, is_shared=True)


def paper_door(*, with_images: bool) -> Door:
    return Door("", shows_images=with_images, is_paper=True)
