"""Calls that make and remove repositories, branches and tags."""

from hub_server.account_calls import USER
from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request
from hub_server.repos import GIT_ATTRIBUTES, HubRepo


def create_repo(hub: Hub, request: Request) -> Answer:
    """Makes a repository whose first commit holds ``.gitattributes``, as on the Hub."""
    asked = request.json()
    kind, repo_id = _named(asked)
    page = hub.page(kind, repo_id)
    if repo_id in hub.of_kind(kind):
        return Answer.of({"error": f"You already created this {asked.get('type', 'model')} repo", "url": page}, 409)
    private = asked.get("visibility") == "private"
    hub.of_kind(kind)[repo_id] = HubRepo({".gitattributes": GIT_ATTRIBUTES}, private=private)
    return Answer.of({"url": page, "name": repo_id, "id": repo_id})


def delete_repo(hub: Hub, request: Request) -> Answer:
    """Removes a repository with its history."""
    kind, repo_id = _named(request.json())
    if hub.of_kind(kind).pop(repo_id, None) is None:
        raise Refusal(404, "Repository not found", "RepoNotFound")
    return Answer()


def create_branch(hub: Hub, request: Request) -> Answer:
    """Makes a branch at a revision, ``main`` if none is given."""
    repo, name = hub.repo(request), request.parts["ref"]
    start = request.json().get("startingPoint", "main")
    commit = repo.find_commit(start)
    if commit is None:
        raise Refusal(404, f"Invalid rev id: {start}", "RevisionNotFound")
    if name in repo.branches:
        raise Refusal(409, f"Reference already exists: {name}")
    repo.branches[name] = commit
    return Answer()


def delete_branch(hub: Hub, request: Request) -> Answer:
    """Removes a branch that is not ``main``."""
    repo, name = hub.repo(request), request.parts["ref"]
    if name == "main":
        raise Refusal(403, "main cannot be deleted")
    if repo.branches.pop(name, None) is None:
        raise Refusal(404, f"Invalid rev id: {name} is no branch", "RevisionNotFound")
    return Answer()


def create_tag(hub: Hub, request: Request) -> Answer:
    """Names a revision."""
    repo, name = hub.repo(request), request.json()["tag"]
    if name in repo.tags:
        raise Refusal(409, f"Reference already exists: {name}")
    repo.tags[name] = hub.commit(request)
    return Answer()


def _named(asked: dict) -> tuple[str, str]:
    kinds = {None: "models", "model": "models", "dataset": "datasets", "space": "spaces"}
    if asked.get("type") not in kinds:
        raise Refusal(400, f"This Hub has models, data sets and Spaces, no {asked['type']}")
    return kinds[asked.get("type")], f"{asked.get('organization') or USER}/{asked['name']}"
