#!/usr/bin/env bash
# Trains, measures and releases the models in models/: about an hour on 2 cores.
set -euo pipefail

out=${1:-runs/release}
export OMP_NUM_THREADS=1  # the released weights were trained on one thread each
mkdir -p "$out"

fit_botan() {
  gensample fit --config configs/dynamics/ka2d-mini-botan.yaml --out "$out/botan"
  python scripts/score_predictor.py "$out/botan/checkpoints/last.ckpt" --data ka2d-mini --out "$out/botan.json"
  gensample release "$out/botan/checkpoints/last.ckpt" --metrics "$out/botan.json" --license apache-2.0 --out models/ka2d-mini-botan
}

fit_flow() {
  gensample fit --config configs/displacement/ka2d-mini-flow.yaml --out "$out/flow" --model.compile true
  sample=(gensample sample "$out/flow/checkpoints/last.ckpt" --data ka2d-mini --split test --replicas 32 --seed 1
    --out "$out/test.h5")
  "${sample[@]}" --shard 0/2 &
  "${sample[@]}" --shard 1/2
  wait
  gensample compare ka2d-mini "$out/test.h5" --split test --out "$out/report"
  python scripts/add_check.py "$out/test.h5" "$out/report/metrics.json"
  gensample release "$out/flow/checkpoints/last.ckpt" --metrics "$out/report/metrics.json" --license apache-2.0 --out models/ka2d-mini-flow
}

fit_conf() {
  gensample fit --config configs/configuration/ka2d-n500.yaml --out "$out/conf" --model.compile true
  gensample sample "$out/conf/checkpoints/last.ckpt" --temperature 0.45 --num 100 --base ka2d-liquid --seed 1 --steps 24 \
    --out "$out/conf.h5"
  gensample quench "$out/conf.h5" --engine torch --tolerance 1e-3
  gensample compare ka2d-mini "$out/conf.h5" --out "$out/report-conf" --bootstrap 200
  python scripts/add_configuration_check.py "$out/conf/checkpoints/last.ckpt" "$out/report-conf/metrics.json"
  gensample release "$out/conf/checkpoints/last.ckpt" --metrics "$out/report-conf/metrics.json" --license apache-2.0 --out models/ka2d-mini-conf
}

fit_botan &
fit_flow
fit_conf
wait
