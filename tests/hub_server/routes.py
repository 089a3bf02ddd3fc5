"""Which call a method and a path mean."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from hub_server import account_calls, commit_calls, downloads, lfs_calls, read_calls, repo_calls
from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request

Call = Callable[[Hub, Request], Answer]

_API = "/api/(?P<kind>models|datasets|spaces)/(?P<repo_id>[^/]+/[^/]+?)"
_PAGE = "/(?:(?P<kind>datasets|spaces)/)?(?P<repo_id>[^/]+/[^/]+?)"
_REVISION = "(?P<revision>[^/]+)"


@dataclass(frozen=True)
class Route:
    """A call, and whether it takes a token that may write."""

    method: str
    path: str
    call: Call
    writes: bool = False


# Matched against the quoted path: a branch or a folder with a slash in its name is one part.
ROUTES = (
    Route("GET", f"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", downloads.resolve),
    Route("GET", "/storage/resolve/(?P<oid>[0-9a-f]+)/(?P<path>.+)", downloads.stored),
    Route("GET", f"{_API}(?:/revision/{_REVISION})?", read_calls.info),
    Route("GET", f"{_API}/tree/{_REVISION}(?:/(?P<path>.+))?", read_calls.tree),
    Route("POST", f"{_API}/paths-info/{_REVISION}", read_calls.paths_info),
    Route("GET", f"{_API}/refs", read_calls.refs),
    Route("GET", f"{_API}/commits/{_REVISION}", read_calls.commits),
    Route("GET", f"{_API}/auth-check", read_calls.auth_check),
    Route("GET", f"{_API}/auth-check/write", read_calls.auth_check, writes=True),
    Route("GET", "/api/whoami-v2", account_calls.whoami),
    Route("POST", "/api/validate-yaml", account_calls.validate_yaml),
    Route("POST", "/api/repos/create", repo_calls.create_repo, writes=True),
    Route("DELETE", "/api/repos/delete", repo_calls.delete_repo, writes=True),
    Route("POST", f"{_API}/branch/(?P<ref>[^/]+)", repo_calls.create_branch, writes=True),
    Route("DELETE", f"{_API}/branch/(?P<ref>[^/]+)", repo_calls.delete_branch, writes=True),
    Route("POST", f"{_API}/tag/{_REVISION}", repo_calls.create_tag, writes=True),
    Route("POST", f"{_API}/preupload/{_REVISION}", commit_calls.preupload, writes=True),
    Route("POST", f"{_API}/commit/{_REVISION}", commit_calls.commit, writes=True),
    Route("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", lfs_calls.batch, writes=True),
    Route("PUT", rf"{_PAGE}\.git/info/lfs/objects/(?P<oid>[0-9a-f]{{64}})", lfs_calls.put),
    Route("POST", rf"{_PAGE}\.git/info/lfs/verify", lfs_calls.verify, writes=True),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str | None]]:
    """The route of a quoted path with its unquoted parts; raises Refusal if nothing is served there."""
    for route in ROUTES:
        match = re.fullmatch(route.path, path)
        if match is not None and route.method == ("GET" if method == "HEAD" else method):
            return route, {name: part and unquote(part) for name, part in match.groupdict().items()}
    raise Refusal(404, f"This Hub does not serve {method} {path}")
