"""Set-to-set and set-to-vector functions over ragged sets: rows [n, d] and the set that each row belongs to."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Sets:
    """Which set each of n rows belongs to, in any order; empty sets are allowed.

    Args:
        index: Set of each row, [n], values in [0, count).
        count: Number of sets.
    """

    def __init__(self, index: Tensor, count: int) -> None:
        self.index = index
        self.count = count
        self._sizes: Tensor | None = None

    @property
    def sizes(self) -> Tensor:
        """Rows in each set, [count]."""
        if self._sizes is None:
            self._sizes = torch.bincount(self.index, minlength=self.count)
        return self._sizes

    def sum(self, rows: Tensor) -> Tensor:
        """Sum of each set's rows: [n, ...] -> [count, ...]."""
        return rows.new_zeros(self.count, *rows.shape[1:]).index_add(0, self.index, rows)

    def mean(self, rows: Tensor) -> Tensor:
        """Mean of each set's rows, 0 for an empty set: [n, d] -> [count, d]."""
        return self.sum(rows) / self.sizes.clamp(min=1).unsqueeze(-1)

    def max(self, rows: Tensor) -> Tensor:
        """Maximum of each set's rows, 0 for an empty set: [n, ...] -> [count, ...]."""
        index = self.index.view(-1, *[1] * (rows.ndim - 1)).expand_as(rows)
        return rows.new_zeros(self.count, *rows.shape[1:]).scatter_reduce(0, index, rows, "amax", include_self=False)

    def last(self, rows: Tensor) -> Tensor:
        """Row of each set that comes last, 0 for an empty set: [n, ...] -> [count, ...]."""
        place = torch.arange(len(rows), device=rows.device)
        ends = place.new_full((self.count,), -1).scatter_reduce(0, self.index, place, "amax")
        last = rows.new_zeros(self.count, *rows.shape[1:])
        last[ends >= 0] = rows[ends[ends >= 0]]
        return last

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax over the rows of each set, column by column: [n, ...] -> [n, ...]."""
        weights = (logits - self.max(logits.detach())[self.index]).exp()
        return weights / self.sum(weights)[self.index]

    def to_dense(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Padded rows [count, longest, d], their mask [count, longest] (True: a row), and each row's slot [n]."""
        longest = int(self.sizes.max()) if len(self.index) else 0
        order = self.index.argsort(stable=True)
        starts = self.sizes.cumsum(0) - self.sizes
        slots = torch.empty_like(order)
        slots[order] = torch.arange(len(order), device=order.device) - starts[self.index[order]]
        slots += self.index * longest
        dense = rows.new_zeros(self.count * longest, rows.shape[1]).index_copy(0, slots, rows)
        mask = torch.zeros(self.count * longest, dtype=torch.bool, device=rows.device).index_fill(0, slots, True)
        return dense.view(self.count, longest, -1), mask.view(self.count, longest), slots


class Mlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Linear(inputs, hidden)
        self.down = nn.Linear(hidden, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        return self.down(nn.functional.gelu(self.up(rows)))  # type: ignore[no-any-return]


class MlpBlock(nn.Module):
    """Row by row: x + MLP(x). No interaction inside the set."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mlp = Mlp(size, 2 * size, size)

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:  # noqa: ARG002
        """[n, d] -> [n, d]."""
        change: Tensor = self.mlp(rows)
        return rows + change


class DeepSetBlock(nn.Module):
    """x + MLP([x, mean of the set]): equivariant, linear in the set's size (Zaheer et al. 2017)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mlp = Mlp(2 * size, 2 * size, size)

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [n, d]."""
        change: Tensor = self.mlp(torch.cat([rows, sets.mean(rows)[sets.index]], -1))
        return rows + change


class AttentionBlock(nn.Module):
    """What surrounds the attention in the Set Transformer's MAB: LN(H + rFF(H)), H = LN(X + attended)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(size, size) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.mlp = Mlp(size, 2 * size, size)

    def split(self, rows: Tensor) -> Tensor:
        """[..., d] -> [..., heads, d / heads]."""
        return rows.view(*rows.shape[:-1], self.heads, -1)

    def finish(self, rows: Tensor, attended: Tensor) -> Tensor:
        """Residuals, norms and feed-forward around what was attended, [..., heads, d / heads]."""
        rows = self.norm1(rows + self.out(attended.flatten(-2)))
        return self.norm2(rows + self.mlp(rows))  # type: ignore[no-any-return]


class SabBlock(AttentionBlock):
    """Set attention block: every row attends to every row of its set; quadratic (Lee et al. 2019, eq. 7)."""

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [n, d]."""
        if not len(rows):
            return rows
        dense, mask, slots = sets.to_dense(rows)
        query, key, value = (self.split(f(dense)).transpose(1, 2) for f in (self.query, self.key, self.value))
        # An empty set has no row to attend to and none that is read; attending anywhere keeps it finite.
        keys = (mask | ~mask.any(1, keepdim=True))[:, None, None]
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=keys)
        return self.finish(rows, attended.transpose(1, 2).flatten(0, 1)[slots])


class SeedAttention(AttentionBlock):
    """MAB(seeds, X): learned seeds attend to each set's rows; linear in rows."""

    def __init__(self, size: int, heads: int, seeds: int) -> None:
        super().__init__(size, heads)
        self.seeds = nn.Parameter(torch.empty(seeds, size))

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [count, seeds, d]."""
        query, key, value = self.split(self.query(self.seeds)), self.split(self.key(rows)), self.split(self.value(rows))
        logits = torch.einsum("shd,nhd->nsh", query, key) / query.shape[-1] ** 0.5
        weights = sets.softmax(logits)
        attended = torch.stack(
            [sets.sum(weights[:, seed, :, None] * value) for seed in range(len(self.seeds))], 1
        )  # seed by seed: never [n, seeds, d] at once
        return self.finish(self.seeds.expand(sets.count, -1, -1), attended)


class IsabBlock(nn.Module):
    """Induced set attention block: rows attend to learned summaries of their set; linear (Lee et al. 2019, eq. 9)."""

    def __init__(self, size: int, heads: int, inducing: int) -> None:
        super().__init__()
        self.summarise = SeedAttention(size, heads, inducing)
        self.attend = AttentionBlock(size, heads)

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [n, d]."""
        block = self.attend
        summary = self.summarise(rows, sets)
        key, value = block.split(block.key(summary))[sets.index], block.split(block.value(summary))[sets.index]
        query = block.split(block.query(rows))
        weights = (torch.einsum("nhd,nshd->nsh", query, key) / query.shape[-1] ** 0.5).softmax(1)
        return block.finish(rows, torch.einsum("nsh,nshd->nhd", weights, value))


class SetToSet(nn.Module):
    """Phi: ``depth`` blocks of one kind, [n, d] -> [n, d]."""

    def __init__(self, kind: str, size: int, *, depth: int, heads: int, inducing: int) -> None:
        super().__init__()
        blocks: dict[str, Callable[[], nn.Module]] = {
            "mlp": lambda: MlpBlock(size),
            "deepset": lambda: DeepSetBlock(size),
            "isab": lambda: IsabBlock(size, heads, inducing),
            "sab": lambda: SabBlock(size, heads),
        }
        self.blocks = nn.ModuleList(blocks[kind]() for _ in range(depth if kind != "identity" else 0))

    @property
    def is_identity(self) -> bool:
        """Whether rows come out as they went in."""
        return not self.blocks

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [n, d]."""
        for block in self.blocks:
            rows = block(rows, sets)
        return rows


class SetToVector(nn.Module):
    """Gamma: [n, d] -> [count, d]; an empty set gives a finite vector.

    ``stacked`` gives mean, deviation and maximum side by side, [count, 3 d]; ``moments`` merges them to [count, d].
    """

    def __init__(self, kind: str, size: int, *, heads: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "pma":
            self.attention = SeedAttention(size, heads, 1)
        elif kind == "moments":
            self.merge = nn.Linear(3 * size, size)

    def forward(self, rows: Tensor, sets: Sets) -> Tensor:
        """[n, d] -> [count, d], or [count, 3 d]."""
        if self.kind == "pma":
            return self.attention(rows, sets).squeeze(1)  # type: ignore[no-any-return]
        if self.kind == "max":
            return sets.max(rows)
        mean = sets.mean(rows)
        if self.kind == "mean":
            return mean
        spread = (sets.mean((rows - mean[sets.index]).square()) + 1e-6).sqrt()
        stacked = torch.cat([mean, spread, sets.max(rows)], -1)
        return stacked if self.kind == "stacked" else self.merge(stacked)
