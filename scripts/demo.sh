#!/usr/bin/env bash
# The main job at demonstration length (7 minutes on 2 cores): train a dynamics predictor and a
# displacement generator on the embedded dataset, sample the test split from it and from the released *heated*,
# which needs no training, and compare both with simulation.
# Released models were trained longer; see models/ and `gensample sample ka2d-mini-flow --help`.
set -euo pipefail

out=${1:-demo}
replicas=${REPLICAS:-32}
# A tenth of the released models' training.
botan_epochs=${BOTAN_EPOCHS:-14}
edge_epochs=${EDGE_EPOCHS:-5}
regression_epochs=${REGRESSION_EPOCHS:-8}
flow_epochs=${FLOW_EPOCHS:-16}
# Two processes of one thread each do more on two cores than one of two threads, at this size.
export OMP_NUM_THREADS=1
mkdir -p "$out"

step() {
  printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"
}

quiet=(--trainer.enable_progress_bar false --trainer.enable_model_summary false)

train_botan() {
  gensample fit --config configs/dynamics/ka2d-mini-botan.yaml --out "$out/botan" \
    --trainer.max_epochs "$botan_epochs" --model.edge_epochs "$edge_epochs" "${quiet[@]}"
  gensample test --config "$out/botan/config.yaml" --ckpt_path "$out/botan/checkpoints/last.ckpt" "${quiet[@]}"
}

draw() { # shard, model, file, options
  gensample sample "$2" --data ka2d-mini --split test --shard "$1" --replicas "$replicas" --seed 1 \
    --out "$out/$3.h5" "${@:4}"
}

draw_both_halves() {
  draw 0/2 "$@" &
  half=$!
  draw 1/2 "$@"
  wait "$half"
}

step "the dataset"
gensample info ka2d-mini

step "1/3 train BOTAN (log: $out/botan.log) and, beside it, the generator"
train_botan >"$out/botan.log" 2>&1 &
botan=$!
gensample fit --config configs/displacement/ka2d-mini-flow.yaml --out "$out/flow" \
  --trainer.max_epochs "$flow_epochs" --model.regression_epochs "$regression_epochs" "${quiet[@]}"
wait "$botan" || { cat "$out/botan.log" >&2; exit 1; }
grep 'test/' "$out/botan.log"

step "2/3 sample $replicas replicas of each test configuration: the trained model, then heated"
draw_both_halves "$out/flow/checkpoints/last.ckpt" generated --method midpoint --steps 4
draw_both_halves heated heated

step "3/3 compare with simulation"
gensample compare ka2d-mini "$out/generated.h5" --beside "$out/heated.h5" --split test --out "$out/report" \
  >"$out/compare.txt"
python scripts/demo_table.py "$out/report"

printf '\nDone in %d s. All numbers: %s/compare.txt, report: %s/report/index.html\n' "$SECONDS" "$out" "$out"
