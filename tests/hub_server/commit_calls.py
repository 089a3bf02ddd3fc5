"""Commits: what to upload how, and the operations that make the next commit of a branch."""

import json
from base64 import b64decode
from collections.abc import Callable

from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request
from hub_server.repos import Blob, Commit, HubRepo, belongs_in_lfs


def preupload(hub: Hub, request: Request) -> Answer:
    """Whether each file goes into large file storage, and the hash of the file it would replace."""
    present = hub.commit(request).files
    answers = []
    for file in request.json()["files"]:
        path = file["path"]
        lfs = belongs_in_lfs(path, file["size"], b64decode(file["sample"]))
        oid = present[path].etag if path in present else None
        answers.append({"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid})
    return Answer.of({"files": answers})


def commit(hub: Hub, request: Request) -> Answer:
    """Adds a commit to a branch, or to a new pull request: a header line, then one line an operation."""
    repo, branch = hub.repo(request), request.parts["revision"]
    if branch not in repo.branches:
        raise Refusal(404, f"Invalid rev id: {branch} is no branch", "RevisionNotFound")
    header, *operations = (json.loads(line) for line in request.body.splitlines())
    head = repo.branches[branch]
    if not head.oid.startswith(header["value"].get("parentCommit", "")):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for operation in operations:
        _OPERATIONS[operation["key"]](repo, files, operation["value"])
    made = Commit(files, header["value"]["summary"], header["value"]["description"], head)
    page = hub.page(request.parts["kind"], request.parts["repo_id"])
    told = {"success": True, "commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}"}
    if not request.asks("create_pr"):
        repo.branches[branch] = made
        return Answer.of(told)
    number = len(repo.pull_requests) + 1
    repo.pull_requests[f"refs/pr/{number}"] = made
    return Answer.of({**told, "pullRequestUrl": f"{page}/discussions/{number}"})


def _add_file(_: HubRepo, files: dict[str, Blob], value: dict) -> None:
    files[value["path"]] = Blob(b64decode(value["content"]), lfs=False)


def _add_lfs_file(repo: HubRepo, files: dict[str, Blob], value: dict) -> None:
    content = repo.lfs_objects.get(value["oid"])
    if content is None:
        raise Refusal(400, f"{value['path']} points to {value['oid']}, which was not uploaded")
    files[value["path"]] = Blob(content, lfs=True)


def _delete_file(_: HubRepo, files: dict[str, Blob], value: dict) -> None:
    if files.pop(value["path"], None) is None:
        raise Refusal(404, f"{value['path']}: A file with this name doesn't exist", "EntryNotFound")


def _delete_folder(_: HubRepo, files: dict[str, Blob], value: dict) -> None:
    inside = [name for name in files if name.startswith(value["path"].rstrip("/") + "/")]
    if not inside:
        raise Refusal(404, f"{value['path']}: A folder with this name doesn't exist", "EntryNotFound")
    for name in inside:
        del files[name]


_OPERATIONS: dict[str, Callable[[HubRepo, dict[str, Blob], dict], None]] = {
    "file": _add_file,
    "lfsFile": _add_lfs_file,
    "deletedFile": _delete_file,
    "deletedFolder": _delete_folder,
}
