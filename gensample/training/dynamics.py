"""Training of dynamics predictors: regression of propensities and bond elongations."""

from functools import partial
from typing import Any, Literal

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from gensample.data.official import load_official
from gensample.errors import ConfigError
from gensample.nn.glassmlp import heterogeneity_loss
from gensample.predictors.base import propensity_of
from gensample.ranges import NOT_NEGATIVE, NUMBER, POSITIVE, between, check_table
from gensample.reads import Model, Reads, check_lags
from gensample.stats.predictions import BOND_CUTOFF, Truth, pearson_of_bonds, summary
from gensample.training.shared import as_module, save_settings, warm_cosine
from gensample.weights import check_fit

LIMITS = {
    **{"p": between(0, 1), "lr": NOT_NEGATIVE, "edge_epochs": NUMBER, "heterogeneity": NOT_NEGATIVE},
    **{"bond_cutoff": POSITIVE, "loss_species": NUMBER},
}


class DynamicsTask(Model, lightning.LightningModule):
    """Regresses each particle's propensity and each bond's mean elongation.

    Loss: p MSE(propensity) + (1 - p) MSE(elongation), over all species and lag times (Shiba et al., J. Chem.
    Phys. 158, 084503 (2023)).

    Args:
        network: maps a batch to node outputs (n, K) and edge outputs (E, K); with ``spread``, (n, 2K).
        p: weight of the node loss.
        lr: learning rate of Adam.
        schedule: keep the learning rate, let it fall to zero along a half cosine over the run, or that with a
            linear warm-up (`training.shared`).
        edge_epochs: epochs at the start that train on bonds alone (p = 0): edge pre-training.
        normalise: measure targets from the mean and in units of the standard deviation of the training split,
            per species and lag; several lag times then weigh alike. With ``init_from`` only the mean is
            taken: the official weights, trained on bonds, predict those in LJ units and have learned nothing
            of nodes. Off, targets are used as they are.
        spread: regress the standard deviation of |u| over replicas too.
        init_from: official ``.pth`` weights of BOTAN to start a fit from.
        loss_species: species that the node loss is over; None for all.
        heterogeneity: weight of ``nn.glassmlp.heterogeneity_loss`` in the node loss.
        bond_cutoff: A-A bonds shorter than this count in the edge correlation.
        compile: compile the network for training (a minute at the first step; see benchmarks/botan_step.py).
        reads: what is read of the data; None where the network is made without knowing any.
    """

    node_mean: Tensor
    node_scale: Tensor
    edge_scale: Tensor
    descriptor_mean: Tensor
    descriptor_scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        p: float = 0.4,
        lr: float = 1e-4,
        schedule: Literal["constant", "cosine", "warm-cosine"] = "constant",
        edge_epochs: int = 0,
        normalise: bool = False,
        spread: bool = False,
        init_from: str | None = None,
        loss_species: list[int] | None = None,
        heterogeneity: float = 0.0,
        bond_cutoff: float = BOND_CUTOFF,
        compile: bool = False,
        reads: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        save_settings(self)
        check_table(self.hparams, LIMITS, "model.")
        self.network = as_module(network)
        self.p, self.lr, self.schedule, self.edge_epochs = p, lr, schedule, edge_epochs
        self.normalise, self.spread, self.init_from = normalise, spread, init_from
        self.bond_cutoff, self.compiled = bond_cutoff, compile
        self.reads = Reads() if reads is None else Reads.read(reads)
        num_species = self.reads.species or 2
        if loss_species is not None and not set(loss_species) & set(range(num_species)):
            known = ", ".join(map(str, range(num_species)))
            raise ConfigError(f"model.loss_species must name some of {known}, got {loss_species}")
        self.loss_species, self.heterogeneity = loss_species, heterogeneity
        width = getattr(self.network, "outputs", None)
        if not isinstance(width, int):
            name = type(self.network).__name__
            raise ConfigError(f"{name} must say how many outputs it has: attribute `outputs`")
        lags = width // 2 if spread else width
        self.register_buffer("node_mean", torch.zeros(num_species, width))
        self.register_buffer("node_scale", torch.ones(num_species, width))
        self.register_buffer("edge_scale", torch.ones(lags))
        # Kept with the weights, so that other data are standardised as the training data were.
        self.register_buffer("descriptor_mean", torch.zeros(num_species, self.reads.columns))
        self.register_buffer("descriptor_scale", torch.ones(num_species, self.reads.columns))
        self._seen: list[dict[str, np.ndarray]] = []

    def forward(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Propensity (n, K), followed by the spread with ``spread``, and elongation (E, K), in LJ units."""
        nodes, edges = self._outputs(batch)
        species = batch.species
        scale = self.edge_scale if edges.shape[1] else 1.0
        return self.node_mean[species] + self.node_scale[species] * nodes, scale * edges

    def propensity(self, data: Any, *, split: str | None = None, force: bool = False) -> np.ndarray:
        """Propensity (C, N, K) of the configurations of a dataset, see `predictors.propensity_of`."""
        return propensity_of(self, data, split=split, force=force)

    def _outputs(self, batch: Any) -> tuple[Tensor, Tensor]:
        nodes, edges = self.network(batch)
        return nodes, edges[:, : len(self.edge_scale)]

    def _check_batch(self, batch: Any) -> None:
        """The network's dimension must be that of the batch, the columns of its outputs the lag times."""
        served = batch.pos.shape[1]
        if getattr(self.network, "dimension", served) != served:
            raise ConfigError(
                f"the data have {served} dimensions, the network {self.network.dimension}; "
                f"set model.network.dimension to {served}"
            )
        if len(self.edge_scale) != len(batch.lag_time):
            raise ConfigError(
                f"the data serve {len(batch.lag_time)} lag times, the network has {self.node_mean.shape[1]} "
                f"outputs; set model.network.outputs to {len(batch.lag_time) * (2 if self.spread else 1)}"
            )
        check_lags(self.reads.lags, batch.lag_time.tolist(), "the model")

    def setup(self, stage: str) -> None:
        """Before a fit: initial weights, and the scales of the training split; else hand ours to the data."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if stage == "fit":
            if self.init_from is not None and self.trainer.ckpt_path is None:
                weights = load_official(self.init_from)
                check_fit(self.network.state_dict(), weights, self.init_from)
                self.network.load_state_dict(weights)
            if self.normalise:
                self._take_scales(data.statistics())
            if len(self.descriptor_mean[0]):
                mean, scale = data.descriptor_statistics()
                self.descriptor_mean.copy_(mean)
                self.descriptor_scale.copy_(scale)
            if self.compiled:
                self.network.compile(dynamic=True)
        elif len(self.descriptor_mean[0]):
            data.described.use(self.descriptor_mean, self.descriptor_scale, self.reads.levels)

    def _take_scales(self, found: dict[str, Tensor]) -> None:
        kinds = ("propensity", "spread") if self.spread else ("propensity",)
        self.node_mean.copy_(torch.cat([found[kind] for kind in kinds], dim=1))
        if self.init_from is not None:
            return
        self.node_scale.copy_(torch.cat([found[f"{kind}_scale"] for kind in kinds], dim=1))
        self.edge_scale.copy_(found["elongation_scale"])

    # Steps

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of one batch; bonds alone during the first ``edge_epochs`` epochs."""
        p = 0.0 if self.current_epoch < self.edge_epochs else self.p
        loss = self._logged("train", p, batch)[0]
        # For the progress bar alone: what the log has is the mean over an epoch.
        self.log("loss", loss, prog_bar=True, logger=False, batch_size=batch.num_graphs)
        return loss

    def _logged(self, stage: str, p: float, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Loss of a batch, logged with its parts, and the outputs of the network."""
        self._check_batch(batch)
        nodes, edges = self._outputs(batch)
        node_loss, edge_loss = self._losses(batch, nodes, edges)
        loss = p * node_loss + (1 - p) * edge_loss
        how = {"on_step": False, "on_epoch": True, "sync_dist": True, "batch_size": batch.num_graphs}
        self.log(f"{stage}/loss", loss, prog_bar=stage != "train", **how)
        self.log_dict({f"{stage}/node_loss": node_loss, f"{stage}/edge_loss": edge_loss}, **how)
        return loss, nodes, edges

    def _losses(self, batch: Any, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        species = batch.species
        target = torch.cat([batch.propensity, batch.spread], 1) if self.spread else batch.propensity
        node_loss = self._node_loss(
            batch, nodes, (target - self.node_mean[species]) / self.node_scale[species]
        )
        if "elongation" not in batch or not edges.shape[1]:
            if self.p < 1 or self.edge_epochs:
                raise ConfigError(
                    "bond elongation is not in these data or not predicted by this network; set model.p to 1 "
                    "and model.edge_epochs to 0"
                )
            return node_loss, torch.zeros_like(node_loss)
        return node_loss, nn.functional.mse_loss(edges, batch.elongation / self.edge_scale)

    def _node_loss(self, batch: Any, nodes: Tensor, target: Tensor) -> Tensor:
        if self.loss_species is None:
            loss = nn.functional.mse_loss(nodes, target)
        else:
            of = torch.isin(batch.species, torch.tensor(self.loss_species, device=nodes.device))
            loss = nn.functional.mse_loss(nodes[of], target[of])
        if not self.heterogeneity:
            return loss
        unlike = heterogeneity_loss(
            nodes, target, batch.species, batch.batch, batch.edge_index, self.loss_species
        )
        return loss + self.heterogeneity * unlike

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Loss, and what the correlations at the end of the epoch need."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """As validation, on the test split."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: Any, stage: str) -> None:
        _, nodes, edges = self._logged(stage, self.p, batch)
        predicted = self.node_mean[batch.species] + self.node_scale[batch.species] * nodes
        self._seen.append(self._kept(batch, predicted[:, : len(batch.lag_time)], edges))

    def _kept(self, batch: Any, predicted: Tensor, edges: Tensor) -> dict[str, np.ndarray]:
        """What the scores at the end of an epoch need of a batch, by configuration."""
        of_nodes = {"predicted": predicted, "label": batch.propensity}
        of_nodes |= {"spread": batch.spread} if "spread" in batch else {}
        found = {
            k: v.unflatten(0, (batch.num_graphs, -1)).double().cpu().numpy() for k, v in of_nodes.items()
        }
        if "elongation" in batch and edges.shape[1]:
            found["bonds"] = pearson_of_bonds(batch, edges, self.bond_cutoff)
        species = batch.species[batch.batch == 0].cpu().numpy()
        lags = batch.lag_time.cpu().numpy()
        return found | {"replicas": batch.replicas.cpu().numpy(), "species": species, "lags": lags}

    def on_validation_epoch_end(self) -> None:
        """Log Pearson per species and lag."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log Pearson per species and lag, beside the ceiling set by the finite number of replicas."""
        self._log_scores("test")

    def _log_scores(self, stage: str) -> None:
        seen, self._seen = self._seen, []
        if seen:
            species, lags = seen[0]["species"], seen[0]["lags"].tolist()
            names = seen[0].keys() - {"species", "lags"}
            joined = {name: np.concatenate([each[name] for each in seen]) for name in names}
            truth = Truth(joined["label"], joined.get("spread"), joined["replicas"], species)
            found = summary(joined["predicted"], truth, lags, ceilings=stage == "test")
            for lag, score in zip(lags, joined["bonds"].mean(0) if "bonds" in joined else (), strict=False):
                found[f"edge_pearson_{lag:g}"] = float(score)
            self.log_dict({f"{stage}/{name}": value for name, value in found.items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam, with a cosine schedule if asked."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        if self.schedule == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler: Any = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        if self.schedule == "warm-cosine":
            rate = partial(warm_cosine, total=steps)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
