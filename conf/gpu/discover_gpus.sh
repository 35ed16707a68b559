#!/bin/sh
# Print the GPUs of a host for Spark, as {"name": "gpu", "addresses": ["0", "1"]}. Spark runs it as
# spark.worker.resource.gpu.discoveryScript, or spark.executor.resource.gpu.discoveryScript on YARN
# and Kubernetes. If CUDA_VISIBLE_DEVICES is set, the addresses are indices into it, because tasks
# use them so. A host without GPUs has no addresses; that is not an error.
set -eu

if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
    count=$(printf '%s\n' "$CUDA_VISIBLE_DEVICES" | tr ',' '\n' | grep -c .)
    found=$(seq 0 $((count - 1)))
else
    found=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || true)
fi

addresses=$(printf '%s\n' "$found" | sed -n 's/^[[:space:]]*\([0-9][0-9]*\)[[:space:]]*$/"\1"/p' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
