"""Calls that concern no repository: who one is, and whether a card is well-formed."""

import yaml

from hub_server.card import card_metadata
from hub_server.hub import Hub
from hub_server.messages import Answer, Refusal, Request

USER = "user"


def whoami(hub: Hub, request: Request) -> Answer:
    """The user, the same for every token, with the token's role."""
    role = hub.role(request) if request.headers.get("Authorization") else None
    if role is None:
        raise Refusal(401, "Invalid username or password.")
    owners = {repo_id.partition("/")[0] for kind in (hub.repos, hub.datasets, hub.spaces) for repo_id in kind}
    return Answer.of(
        {
            "type": "user",
            "id": USER,
            "name": USER,
            "fullname": USER,
            "orgs": [{"type": "org", "name": name, "roleInOrg": role} for name in sorted(owners - {USER})],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": role}},
        }
    )


def validate_yaml(_: Hub, request: Request) -> Answer:
    """Whether the metadata of a card is a YAML mapping; the Hub's rules for its values are not checked."""
    try:
        metadata = card_metadata(request.json()["content"])
    except (yaml.YAMLError, ValueError) as error:
        return Answer.of({"errors": [{"message": str(error)}], "warnings": []}, 400)
    warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return Answer.of({"errors": [], "warnings": warnings})
