import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.sampling.ensemble import Call, NoiseStream, plan_units, run_unit, share_of
from gensample.sampling.solver import Solver, integrate

SIZE, DIM = 30, 2


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(DIM, 64),
            torch.nn.SiLU(),
            torch.nn.Linear(64, 64),
            torch.nn.SiLU(),
            torch.nn.Linear(64, DIM),
        )

    def forward(self, x, s):
        h = self.layers(x)
        return h - h.mean(0) + s * x


NET = Net()


def draw_with(method):
    def draw(call, noise):
        x = noise.next() + 0.1 * call.configuration + 0.01 * call.lag
        return integrate(NET, x, Solver(method))[0]

    return draw


def sample(units, method="midpoint", lags=(0, 1, 2), seed=7, **options):
    draw = draw_with(method)
    fields = {}
    for u in units:
        out = run_unit(u, draw, seed=seed, lags=lags, shape=(SIZE, DIM), **options)
        for r in range(u.first, u.stop):
            for k, lag in enumerate(lags):
                fields[u.configuration, r, lag] = out[r - u.first, k]
    return fields


def same_bits(a, b):
    return all(torch.equal(a[key], b[key]) for key in a.keys() & b.keys())


@pytest.mark.parametrize("method", ["midpoint", "dopri5"])
def test_same_bits_whatever_the_number_order_shard_or_lags(method):
    full = sample(plan_units([3, 5, 8], 19), method)
    assert len(full) == 3 * 19 * 3
    fewer = sample(plan_units([5], 3), method)
    assert same_bits(full, fewer)
    assert len(full.keys() & fewer.keys()) == 9
    assert same_bits(full, sample(plan_units([8, 3], 19)[::-1], method, lags=(2,)))
    sharded = {}
    for i in range(4):
        sharded |= sample(share_of(plan_units([3, 5, 8], 19), (i, 4)), method)
    assert sharded.keys() == full.keys()
    assert same_bits(full, sharded)


def test_seed_configuration_replica_and_lag_all_matter():
    full = sample(plan_units([0, 1], 9))
    distinct = {tuple(v.flatten().tolist()) for v in full.values()}
    assert len(distinct) == len(full)
    other = sample(plan_units([0, 1], 9), seed=8)
    assert not any(torch.equal(full[key], other[key]) for key in full)


def test_noise_of_a_stream_goes_on_and_is_white():
    call = Call(0, 1, range(8, 16))
    a, b = (NoiseStream(1, call, (500, 3)) for _ in range(2))
    first, second = a.next(), a.next()
    assert first.shape == (500, 8, 3)
    assert torch.equal(first, b.next())
    assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.04
    assert abs(first.std() - 1) < 0.03
    single = NoiseStream(1, Call(0, 1, range(11, 12)), (500, 3)).next()
    assert torch.equal(single[:, 0], first[:, 3])


@given(
    configurations=st.lists(st.integers(0, 99), min_size=1, max_size=6, unique=True),
    replicas=st.integers(1, 40),
    count=st.integers(1, 7),
    width=st.integers(1, 9),
)
def test_shards_cover_every_replica_once(configurations, replicas, count, width):
    seen, sizes = [], []
    for i in range(count):
        units = share_of(plan_units(configurations, replicas, width), (i, count))
        sizes.append(len(units))
        seen += [(u.configuration, r) for u in units for r in range(u.first, u.stop)]
        assert all(u.first % width == 0 for u in units)
    assert sorted(seen) == sorted((c, r) for c in configurations for r in range(replicas))
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("shard", [(2, 2), (-1, 3), (0, 0)])
def test_bad_shards_are_named(shard):
    with pytest.raises(ConfigError, match="shard"):
        share_of([0], shard)
