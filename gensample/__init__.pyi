from gensample.comparison.compare import compare as compare
from gensample.comparison.result import Comparison as Comparison
from gensample.data.configuration import Configuration as Configuration
from gensample.data.dataset import Dataset as Dataset
from gensample.data.dataset import open_dataset as open_dataset
from gensample.physics.mixtures import Mixture as Mixture
from gensample.reads import Reads as Reads
from gensample.zoo import load_model as load_model

__version__: str
__all__: list[str]
