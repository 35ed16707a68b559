#!/bin/sh
# Tells Spark which GPUs a host has (spark.worker.resource.gpu.discoveryScript, or
# spark.executor.resource.gpu.discoveryScript on YARN and Kubernetes): {"name": "gpu",
# "addresses": ["0", "1"]}. Where CUDA_VISIBLE_DEVICES is set, addresses count what is visible,
# because tasks take them as indices into it. A host without GPUs has none, and that is no error.
set -eu

if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
    count=$(printf '%s\n' "$CUDA_VISIBLE_DEVICES" | tr ',' '\n' | grep -c .)
    found=$(seq 0 $((count - 1)))
else
    found=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || true)
fi

addresses=$(printf '%s\n' "$found" | sed -n 's/^[[:space:]]*\([0-9][0-9]*\)[[:space:]]*$/"\1"/p' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
