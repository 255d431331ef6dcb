import pytest

from gensample.errors import ConfigError
from gensample.simulate.run import load_config


def test_overrides_win_and_the_rest_stays(tiny_config):
    config = tiny_config("temperature=0.7", "splits.train.replicas=9")
    assert config.temperature == 0.7
    assert config.splits["train"].replicas == 9
    assert config.splits["train"].configurations == 2
    assert config.lags == [0.1, 0.5]


def test_number_of_processes_decides_nothing(tiny_config):
    assert tiny_config("processes=7").deciding() == tiny_config("processes=1").deciding()
    assert tiny_config("seed=6").deciding() != tiny_config().deciding()


def test_density_falls_back_to_the_mixture(tiny_config):
    from gensample.physics.mixtures import get_mixture

    mixture = get_mixture("ka2d")
    assert tiny_config().resolved_density(mixture) == 1.2
    box = tiny_config("density=1.1").box(mixture)
    assert 60 / box.prod() == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("temprature=0.5", "temprature"),
        ("splits.train.replica=3", "replica"),
        ("mixture=water", "water"),
        ("temperature=0", "temperature"),
        ("temperature=.nan", "temperature"),
        ("temperature=.inf", "temperature"),
        ("temperature=cold", "temperature"),
        ("density=-1", "density"),
        ("seed=-1", "seed"),
        ("particles=20", "half the shortest box edge"),
        ("lags=[0.1,0.1]", "lags"),
        ("lags=[]", "lags"),
        ("lags=[-1.0]", "lags[0]"),
        ("lags=[0.1,0.1234]", "0.1234"),
        ("splits={dev: {configurations: 1, replicas: 1}}", "dev"),
        ("splits.train.configurations=0", "splits.train"),
        ("splits.train=5", "5"),
        ("equilibration.time=5", "segments"),
        ("equilibration.snapshots=4", "snapshots"),
        ("equilibration.snapshots=320", "10 steps"),
        ("melt.time=-1", "melt.time"),
        ("thermostat.replicas=berendsen", "berendsen"),
        ("displacement_precision=-1", "displacement_precision"),
        ("processes=0", "processes"),
    ],
)
def test_refuses_what_cannot_work_and_names_it(tiny_config, override, named):
    with pytest.raises(ConfigError) as error:
        tiny_config(override)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mixture: ka2d\n", "particles"),
        ("- 1\n- 2\n", "must hold settings by name"),
        ("mixture: [unclosed\n", "broken.yaml"),
        ("", "must hold settings by name"),
    ],
)
def test_refuses_files_that_are_no_settings(tmp_path, text, named):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert named in str(error.value)


def test_refuses_binary_and_absent_files(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="binary"):
        load_config(binary)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "absent.yaml")
