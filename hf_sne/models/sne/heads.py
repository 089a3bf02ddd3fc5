"""The prediction head: an ensemble that shares its weights, [b, embedding_size] -> [b, members]."""

import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig


class EnsembleLinear(nn.Module):
    """One linear map for all members, each with its own scales of inputs and outputs: [b, k, i] -> [b, k, o].

    Wen et al. 2020 (BatchEnsemble), as in TabM (Gorishniy et al. 2024): the first map's scales start as random signs,
    by which the members differ, the others' as ones.
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, first: bool) -> None:
        super().__init__()
        self.differs = first and members > 1
        self.linear = nn.Linear(inputs, outputs)
        self.scale_in = nn.Parameter(torch.ones(members, inputs))
        self.scale_out = nn.Parameter(torch.ones(members, outputs))
        self.shift = nn.Parameter(torch.zeros(members, outputs))

    @torch.no_grad()
    def reset_members(self) -> None:
        """The scales and shifts that training starts with."""
        self.scale_in.fill_(1.0)
        if self.differs:
            self.scale_in.copy_(torch.randint(0, 2, self.scale_in.shape) * 2 - 1)
        self.scale_out.fill_(1.0)
        self.shift.zero_()

    def forward(self, rows: Tensor) -> Tensor:
        """[b, k, i] -> [b, k, o]."""
        code: Tensor = self.linear(rows * self.scale_in) * self.scale_out + self.shift
        return code


class EnsembleHead(nn.Module):
    """Hidden layers shared by all members, and each member's own last map."""

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        size, hidden, self.members = config.embedding_size, 2 * config.hidden_size, config.head_members
        blocks: list[nn.Module] = []
        for number in range(config.head_layers):
            linear = EnsembleLinear(size, hidden, self.members, first=number == 0)
            blocks += [linear, nn.GELU(), nn.Dropout(config.dropout)]
            size = hidden
        self.hidden = nn.Sequential(*blocks)
        self.last = nn.Linear(size, self.members)

    def forward(self, embedding: Tensor) -> Tensor:
        """[b, embedding_size] -> logits [b, members]."""
        rows = self.hidden(embedding.unsqueeze(1).expand(-1, self.members, -1))
        logits: Tensor = (rows * self.last.weight).sum(-1) + self.last.bias
        return logits
