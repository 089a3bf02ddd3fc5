"""Calls that concern no repository: who one is, and whether a card is well-formed."""

import yaml

from hub_server.card import card_metadata
from hub_server.card_rules import broken_rules
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
    """Whether the metadata of a card is a YAML mapping whose values keep the Hub's rules."""
    told = request.json()
    try:
        metadata = card_metadata(told["content"])
        errors = broken_rules(metadata, told["repoType"]) if metadata else []
    except (yaml.YAMLError, ValueError) as error:
        errors = [str(error)]
    if errors:
        return Answer.of({"errors": [{"message": error} for error in errors], "warnings": []}, 400)
    warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
    return Answer.of({"errors": [], "warnings": warnings})
