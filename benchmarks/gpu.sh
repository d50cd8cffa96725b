#!/bin/bash
# What there is to measure on a machine with an NVIDIA GPU, in one command within eight minutes: bash benchmarks/gpu.sh
# Each part has a limit of its own, and goes on without the others. The other benchmarks here measure CPUs alone.
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-.venv/bin/python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

part() { # name, most seconds, command
    echo "== $1"
    timeout --kill-after=8 "$2" "${@:3}" || { echo "== $1: failed or not done in $2 s"; failed=1; }
}

part "the card" 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
part "the suite's tests of accelerators" 150 "$python" -m pytest -n4 -q tests/test_fake_cuda.py tests/test_fake_cuda_options.py
part "images a second, share of the bf16 rate, memory, Mpix/s in fp16" 120 "$python" -m benchmarks.gpu
part "paper: 200 steps of each phase in bf16" 100 "$python" train.py experiment=paper data=sample trainer.max_steps=400 \
    model.pretrain_steps=200 trainer.precision=bf16-mixed trainer.val_check_interval=400 trainer.log_every_n_steps=50 \
    loss.content.weights=random logger=csv hydra.run.dir="$folder/paper"
echo "images_per_second, data_wait_percent and peak_memory_gb of each logged step:"
cat "$folder"/paper/csv/*/metrics.csv
part "predict in fp16" 30 "$python" predict.py input=src/srgan/assets/photos/val output="$folder/out" precision=fp16
exit "$failed"
