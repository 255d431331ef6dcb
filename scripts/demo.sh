#!/usr/bin/env bash
# The main job at demonstration length (12 minutes on 2 cores): train a dynamics predictor and a
# displacement generator on the embedded dataset, sample the test split, compare with simulation.
# Released models were trained longer; see models/ and `gensample sample ka2d-mini-flow --help`.
set -euo pipefail

out=${1:-demo}
replicas=${REPLICAS:-32}
# A fifth of the released models' training.
botan_epochs=${BOTAN_EPOCHS:-14}
edge_epochs=${EDGE_EPOCHS:-5}
regression_epochs=${REGRESSION_EPOCHS:-8}
flow_epochs=${FLOW_EPOCHS:-20}
mkdir -p "$out"

step() {
  printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"
}

quiet=(--trainer.enable_progress_bar false --trainer.enable_model_summary false)

step "the dataset"
gensample info ka2d-mini

step "1/4 train BOTAN on the propensities"
gensample fit --config configs/dynamics/ka2d-mini-botan.yaml --out "$out/botan" \
  --trainer.max_epochs "$botan_epochs" --model.edge_epochs "$edge_epochs" "${quiet[@]}"
gensample test --config "$out/botan/config.yaml" --ckpt_path "$out/botan/checkpoints/last.ckpt" "${quiet[@]}"

step "2/4 train the generator on the displacement fields"
gensample fit --config configs/displacement/ka2d-mini-flow.yaml --out "$out/flow" \
  --trainer.max_epochs "$flow_epochs" --model.regression_epochs "$regression_epochs" "${quiet[@]}"

step "3/4 sample $replicas replicas of each test configuration"
gensample sample "$out/flow/checkpoints/last.ckpt" --data ka2d-mini --split test \
  --replicas "$replicas" --seed 1 --method midpoint --steps 4 --out "$out/generated.h5"

step "4/4 compare with simulation"
gensample compare ka2d-mini "$out/generated.h5" --split test --out "$out/report"

printf '\nDone in %d s. Report: %s/report/index.html\n' "$SECONDS" "$out"
