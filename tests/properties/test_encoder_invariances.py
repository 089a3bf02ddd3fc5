"""What must not change a score: padding, the size and make-up of batches, the order of tensors in a file."""

import json

import pytest
import torch
from networks import cnn, layers_of, mlp

from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.weights import open_checkpoint

EXACT = {"atol": 1e-5, "rtol": 0}
CONFIGS = {"default": SneConfig(), "paper": SneConfig.paper(), "projected": SneConfig(element_positions="projected")}


@pytest.fixture(params=CONFIGS)
def encoder(request):
    config = SneConfig(**CONFIGS[request.param].to_dict())
    torch.manual_seed(0)
    return SneForPerformancePrediction(config).eval(), SneProcessor.from_config(config)


@torch.no_grad()
def _logits(encoder, *networks):
    model, processor = encoder
    return model(**processor(list(networks))).logits


@torch.no_grad()
def test_padding_does_not_count(encoder):
    model, processor = encoder
    batch = processor([layers_of(cnn()), layers_of(mlp())])
    before = model(**batch).logits
    padding = torch.arange(processor.chunk_size) >= batch["chunk_lengths"].unsqueeze(1)
    assert padding.any()
    batch["chunk_values"][padding] = 7.0
    torch.testing.assert_close(model(**batch).logits, before, **EXACT)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_chunk_batch_size_does_not_count(encoder, size):
    networks = [layers_of(cnn()), layers_of(mlp())]
    before = _logits(encoder, *networks)
    encoder[0].config.max_chunks_per_batch = size
    torch.testing.assert_close(_logits(encoder, *networks), before, **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("size", [1, 5, 64])
def test_streaming_gives_the_same_as_the_whole(encoder, size):
    model, processor = encoder
    for network in (cnn(), mlp((33, 70, 10))):
        layers = layers_of(network)
        structure, blocks = processor.stream(layers, max_chunks=size)
        streamed = model.predict(model.sne.encode_stream(structure, blocks)).logits
        torch.testing.assert_close(streamed, _logits(encoder, layers), **EXACT)


def test_the_make_up_of_the_batch_does_not_count(encoder):
    networks = [layers_of(cnn(seed)) for seed in range(3)] + [layers_of(mlp((5, 90, 7))), layers_of(mlp())]
    alone = torch.cat([_logits(encoder, network) for network in networks])
    torch.testing.assert_close(_logits(encoder, *networks), alone, **EXACT)
    torch.testing.assert_close(_logits(encoder, *networks[::-1]).flip(0), alone, **EXACT)


def test_the_order_of_tensors_in_the_file_does_not_count(encoder, tmp_path):
    state = {f"l{name}": tensor for name, tensor in cnn().state_dict().items() if tensor.is_floating_point()}
    logits, contents = [], []
    for number, names in enumerate((sorted(state), sorted(state, reverse=True))):
        # By hand: safetensors' own writer sorts what it is given.
        header, start = {}, 0
        for name in names:
            stop = start + state[name].numel() * 4
            header[name] = {"dtype": "F32", "shape": list(state[name].shape), "data_offsets": [start, stop]}
            start = stop
        text = json.dumps(header).encode()
        data = b"".join(state[name].contiguous().numpy().tobytes() for name in names)
        contents.append(len(text).to_bytes(8, "little") + text + data)
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(contents[-1])
        with open_checkpoint(path) as checkpoint:
            logits.append(_logits(encoder, checkpoint.layers))
    assert contents[0] != contents[1]
    torch.testing.assert_close(logits[0], logits[1], **EXACT)
