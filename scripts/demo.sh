#!/usr/bin/env bash
# The main job at demonstration length (10 minutes on 2 cores): train a dynamics predictor and a
# displacement generator on the embedded dataset, sample the test split from it and from the released *heated*,
# which needs no training, and compare both with simulation. Everything that the commands say is in demo/*.log.
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
# Each step is a group of processes of its own, which ends when the demo does.
set -m
job=
trap '[ -z "$job" ] || kill -- "-$job" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# Run a function, its output in a log; say what it is, and every five seconds that it goes on.
step() { # words, log, function
  local began=$SECONDS
  "$3" >"$out/$2.log" 2>&1 &
  job=$!
  printf '%s ' "$1"
  while kill -0 "$job" 2>/dev/null; do
    sleep 1
    if (((SECONDS - began) % 5 == 0)); then told "$2" "$1" $((SECONDS - began)); fi
  done
  if [ -t 1 ]; then printf '\r\033[K%s ' "$1"; fi
  wait "$job" || { printf 'failed:\n'; tail -n 20 "$out/$2.log"; exit 1; } >&2
  job=
  printf '%d s\n' $((SECONDS - began))
}

told() { # log, words, seconds: on a terminal the last line of the log in place, else a dot
  if [ -t 1 ]; then
    printf '\r\033[K%s %d s  %.60s' "$2" "$3" "$(tr '\r' '\n' <"$out/$1.log" | grep -v '^ *$' | tail -n 1)"
  else
    printf '.'
  fi
}

quiet=(--trainer.enable_progress_bar false --trainer.enable_model_summary false)

train_both() {
  train_botan >"$out/botan.log" 2>&1 &
  local botan=$!
  gensample fit --config configs/displacement/ka2d-mini-flow.yaml --out "$out/flow" \
    --trainer.max_epochs "$flow_epochs" --model.regression_epochs "$regression_epochs" "${quiet[@]}"
  wait "$botan" || { cat "$out/botan.log"; return 1; }
}

train_botan() {
  gensample fit --config configs/dynamics/ka2d-mini-botan.yaml --out "$out/botan" \
    --trainer.max_epochs "$botan_epochs" --model.edge_epochs "$edge_epochs" "${quiet[@]}"
  gensample test --config "$out/botan/config.yaml" --ckpt_path "$out/botan/checkpoints/last.ckpt" "${quiet[@]}"
}

draw_flow() { draw_both_halves "$out/flow/checkpoints/last.ckpt" generated --method midpoint --steps 4; }

draw_heated() { draw_both_halves heated heated; }

draw_both_halves() { # model, file, options
  draw 0/2 "$@" &
  local half=$!
  draw 1/2 "$@"
  wait "$half"
}

draw() { # shard, model, file, options
  gensample sample "$2" --data ka2d-mini --split test --shard "$1" --replicas "$replicas" --seed 1 \
    --out "$out/$3.h5" "${@:4}"
}

judge() {
  gensample compare ka2d-mini "$out/generated.h5" --beside "$out/heated.h5" --split test --out "$out/report" \
    ${COMPARE:-}
}

echo "ka2d-mini: 500 particles in 2D at T = 0.45. Trained here is a tenth of what the released models were; about 10 minutes."
step "1/4 train BOTAN, which predicts who moves, and a generator, which draws where to:" train train_both
step "2/4 draw $replicas futures of each of 12 configurations from that generator:" generated draw_flow
step "3/4 the same from heated molecular dynamics, which needs no training:" heated draw_heated
step "4/4 compare both with simulation:" compare judge
python scripts/demo_table.py "$out/report"
echo "All numbers: $out/compare.log; the report: $out/report/index.html; who moves, as a picture: $out/report/figures/moves.png"
