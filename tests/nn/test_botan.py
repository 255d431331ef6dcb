import pytest
import torch

from gensample.data.official import load_official
from gensample.errors import ConfigError, DataError
from gensample.nn.blocks import MLP, sum_per_node
from gensample.nn.botan import OFFICIAL_NAMES, Botan, from_official
from gensample.seeding import torch_generator
from gensample.testing import (
    check_batch_independence,
    check_network,
    check_permutation,
    graph_batch,
    random_sample,
    randomise,
)


def make(**settings):
    network = Botan(**settings).double()
    randomise(network, torch_generator(0))
    return network


def official_state(network):
    """The state of our network under the names of the official one."""
    state = {}
    for name, value in network.state_dict().items():
        layer, _, part = name.rpartition(".")
        state[f"{OFFICIAL_NAMES[layer]}.{part}"] = value
    return state


@pytest.mark.parametrize("dimension", [2, 3])
def test_contract(dimension):
    network = Botan(dimension=dimension, outputs=2, width=16, steps=3)
    check_network(network, lambda batch: dict(zip(("node", "edge"), network(batch), strict=True)), dimension)


@pytest.mark.parametrize("dimension", [2, 3])
def test_latents_keep_the_contract(dimension):
    network = make(dimension=dimension, width=16, steps=2)

    def latents(batch):
        return dict(zip(("node", "edge"), network.latents(batch), strict=True))

    sample = random_sample(dimension, torch_generator(1))
    check_permutation(latents, sample, graph_batch)
    check_batch_independence(latents, sample, graph_batch)


def test_size_of_the_published_network():
    for outputs, expected in ((1, 54_209), (3, 54_209 + 2 * 65)):
        assert sum(p.numel() for p in Botan(outputs=outputs).parameters()) == expected


def test_factorised_form_is_the_same_function_and_has_the_same_gradient():
    network = make(outputs=2)
    batch = graph_batch(random_sample(3, torch_generator(0)))
    results = []
    for factorised in (True, False):
        network.factorised = factorised
        network.zero_grad()
        nodes, edges = network(batch)
        (nodes.square().sum() + edges.square().sum()).backward()
        results.append([nodes, edges, *[p.grad.clone() for p in network.parameters()]])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


def test_outputs_by_the_formula_of_the_paper():
    """One round of message passing, edge by edge."""
    network = make(dimension=2, width=4, steps=1)
    batch = graph_batch(random_sample(2, torch_generator(2), configurations=1, per_edge=4))
    x0 = network.node_encoder(batch.species.double()[:, None])
    e0 = network.edge_encoder(batch.edge_vector)
    incoming = [torch.zeros(4, dtype=torch.float64) for _ in range(batch.num_nodes)]
    edges = []
    for k, (i, j) in enumerate(batch.edge_index.T.tolist()):
        edges.append(network.edge_mlp(torch.cat([x0[i], x0[j], e0[k], e0[k]])))
        incoming[j] = incoming[j] + edges[-1]
    nodes = [network.node_mlp(torch.cat([x0[i], x0[i], incoming[i]])) for i in range(batch.num_nodes)]
    torch.testing.assert_close(network(batch)[0], network.decoder(torch.stack(nodes)))
    torch.testing.assert_close(network(batch)[1], network.decoder(torch.stack(edges)))


def test_several_lags_share_everything_but_the_last_layer():
    single, several = make(outputs=1), make(outputs=3)
    state = single.state_dict()
    state["decoder.4.weight"] = state["decoder.4.weight"].repeat(3, 1)
    state["decoder.4.bias"] = state["decoder.4.bias"].repeat(3)
    several.load_state_dict(state)
    batch = graph_batch(random_sample(3, torch_generator(0)))
    torch.testing.assert_close(several(batch)[0], single(batch)[0].repeat(1, 3))


def test_official_names_go_there_and_back(tmp_path):
    network = Botan()
    torch.save(official_state(network), tmp_path / "model.pth")
    loaded = load_official(tmp_path / "model.pth")
    assert all(torch.equal(loaded[name], value) for name, value in network.state_dict().items())


def test_foreign_weights_are_refused(tmp_path):
    state = official_state(Botan())
    state["surprise"] = state.pop("decoder.fc3.bias")
    with pytest.raises(ConfigError, match=r"decoder.fc3.bias, surprise"):
        from_official(state)
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"bad\.pth"):
        load_official(tmp_path / "bad.pth")
    with pytest.raises(DataError, match="no weight file"):
        load_official(tmp_path / "absent.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(DataError, match="list"):
        load_official(tmp_path / "list.pth")


class Trap:
    def __reduce__(self):
        return (open, ("trap.txt", "w"))


def test_code_in_a_weight_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"decoder.fc1.weight": Trap()}, "evil.pth")
    with pytest.raises(DataError):
        load_official("evil.pth")
    assert not (tmp_path / "trap.txt").exists()


def test_blocks():
    assert [type(layer).__name__ for layer in MLP([3, 4, 2])] == ["Linear", "ReLU", "Linear"]
    assert [type(layer).__name__ for layer in MLP([3, 2], activate_last=True)] == ["Linear", "ReLU"]
    values, index = torch.arange(6.0).reshape(3, 2), torch.tensor([2, 0, 2])
    assert sum_per_node(values, index, 4).tolist() == [[2, 3], [0, 0], [4, 6], [0, 0]]
