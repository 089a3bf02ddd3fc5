"""The content of a file, whole or a range of it; that of large files lies on another host."""

import re
from urllib.parse import quote

from hub_server.hub import Hub, sent_token
from hub_server.messages import Answer, Refusal, Request

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def resolve(hub: Hub, request: Request) -> Answer:
    """A file at a commit, with the headers the clients' caches go by."""
    readers = hub.repo(request).readers
    if readers is not None and sent_token(request) not in readers:
        raise Refusal(403, "Access to this repository is restricted", "GatedRepo")
    commit, name = hub.commit(request), request.parts["path"]
    at = {"X-Repo-Commit": commit.oid}
    blob = commit.files.get(name)
    if blob is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", at)
    etag = f'"{blob.etag}"'
    if not blob.lfs:
        return _in_range(blob.content, request.headers.get("Range"), {**at, "ETag": etag})
    hub.handed_out[blob.etag] = blob.content
    where = f"{hub.storage}/storage/resolve/{blob.etag}/{quote(name)}"
    return Answer(
        302, headers={**at, "X-Linked-ETag": etag, "X-Linked-Size": str(len(blob.content)), "Location": where}
    )


def stored(hub: Hub, request: Request) -> Answer:
    """A large file, from another host than the Hub's, which wants no token of the Hub's to see."""
    if request.headers.get("Authorization"):
        raise Refusal(400, "Only one auth mechanism allowed")
    content = hub.handed_out.get(request.parts["oid"])
    if content is None:
        raise Refusal(403, "Access denied")
    return _in_range(content, request.headers.get("Range"), {"ETag": f'"{request.parts["oid"]}"'})


def _in_range(content: bytes, asked: str | None, headers: dict[str, str]) -> Answer:
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    span = _span(asked, len(content))
    if span is None:
        return Answer(200, content, headers)
    start, end = span
    if start >= end:
        raise Refusal(416, "The range is not satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
    told = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return Answer(206, content[start:end], headers | told)


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(asked or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
