"""Large file storage: a client announces a file, puts it, has it verified, and names it in a commit."""

from hashlib import sha256

from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request


def batch(hub: Hub, request: Request) -> Answer:
    """Where to put each announced file; nowhere if it is there already."""
    repo = hub.repo(request)
    storage = f"{hub.page(request.parts['kind'], request.parts['repo_id'])}.git/info/lfs"
    objects = []
    for announced in request.json()["objects"]:
        oid, size = announced["oid"], announced["size"]
        entry = {"oid": oid, "size": size}
        if oid not in repo.lfs_objects:
            repo.announced_uploads[oid] = size
            entry["actions"] = {
                "upload": {"href": f"{storage}/objects/{oid}"},
                "verify": {"href": f"{storage}/verify"},
            }
        objects.append(entry)
    return Answer.of({"transfer": "basic", "objects": objects})


def put(hub: Hub, request: Request) -> Answer:
    """Takes an announced file; it comes without a token, as to the Hub's signed addresses."""
    repo, oid = hub.find_repo(request), request.parts["oid"]
    if oid not in repo.announced_uploads:
        raise Refusal(403, f"{oid} was not announced")
    if len(request.body) != repo.announced_uploads[oid] or sha256(request.body).hexdigest() != oid:
        raise Refusal(400, f"{oid}: the content has another size or hash than announced")
    repo.lfs_objects[oid] = request.body
    return Answer()


def verify(hub: Hub, request: Request) -> Answer:
    """Whether a file arrived."""
    claimed = request.json()
    content = hub.repo(request).lfs_objects.get(claimed["oid"])
    if content is None or len(content) != claimed["size"]:
        raise Refusal(404, f"{claimed['oid']} with {claimed['size']} bytes is not in the storage")
    return Answer()
