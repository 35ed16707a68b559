#!/usr/bin/env bash
# A complete run on generated strips: train, score with Spark, evaluate, draw.
# Each step is a command that you can use for your own data. All results are in demo/.
set -euo pipefail
cd "$(dirname "$0")/.."

began=$SECONDS
export SPARK_LOCAL_IP=127.0.0.1 SPARK_CONF_DIR="$PWD/conf/spark"

step() {
    printf '\n\033[1m== %s\033[0m\n   %s\n' "$1" "${*:2}"
    "${@:2}"
}

rm -rf demo
mkdir demo

step "Generate strips to train on" \
    python -m training generate --data demo/train --pictures 300 --seed 1
step "Generate an archive to score; training never sees its labels" \
    python -m training generate --data demo/archive --pictures 120 --seed 2026 --frames 20
step "Train gate and segmenter, and write the bundle" \
    python -m training fit --data demo/train --recipe conf/recipes/demo.yaml --bundle demo/bundle
step "Score the archive with Spark" \
    spark-submit jobs/score.py --input demo/archive --bundle demo/bundle --output demo/output \
    --config conf/demo.yaml
step "Compare the findings with the labels" \
    spark-submit jobs/evaluate.py --output demo/output --labels demo/archive/train.csv
step "Draw found and true masks on some pictures" \
    steeldefect overlays --output demo/output --truth demo/archive/train.csv demo/overlays
step "Query the tables: the defects of each class, in millimetres" \
    steeldefect sql --output demo/output "
    select class_name, count(*) as defects, count(distinct key) as pictures,
           count(distinct coil) as coils, round(median(length_mm), 1) as median_length_mm,
           round(max(length_mm), 1) as longest_mm, round(sum(area_mm2)) as area_mm2
    from newest_defects group by class_name order by class_name"
step "Query the tables: the longest defects, and where they are" \
    steeldefect sql --output demo/output "
    select coil, round(along_mm) as along_mm, round(across_mm) as across_mm, class_name,
           round(length_mm, 1) as length_mm, round(width_mm, 1) as width_mm, key
    from newest_defects order by length_mm desc limit 5"

score() {
    steeldefect sql --output demo/output --format csv \
        "select round(value, 3) from metrics where name = '$1' and scope = 'overall'" | tail -n 1
}

cat <<SUMMARY

Done in $((SECONDS - began)) s. Scores on the archive, which training never saw:
  positives-only Dice  $(score positives_dice)   masks, on pictures and classes with a defect
  mean Dice            $(score mean_dice)   Kaggle's measure (a result without any finding scores $(score all_empty_dice))
  gate recall          $(score gate_recall)   share of the defective pictures that reach the segmenter

  demo/train     generated pictures and labels for training
  demo/archive   generated pictures that were scored, and their labels
  demo/bundle    the model bundle
  demo/output    the tables (Delta, Parquet)
  demo/overlays  found and true masks, drawn on pictures

Query the tables yourself:
  $(dirname "$(command -v steeldefect)" | sed "s|^$PWD/||")/steeldefect sql --output demo/output "select * from images limit 5"
SUMMARY
