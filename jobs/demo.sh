#!/usr/bin/env bash
# Three nights of a plant, on generated strips: train two bundles, score each night's pictures with
# Spark, watch, evaluate, draw. Each step is a command that you can use for your own data. All
# results are in demo/.
#
#   night 1  an ordinary night
#   night 2  a damaged roll prints a mark on coil 12 at each of its turns; three files are damaged
#   night 3  camera 2 gets less light
set -euo pipefail
cd "$(dirname "$0")/.."

began=$SECONDS
export SPARK_LOCAL_IP=127.0.0.1 SPARK_CONF_DIR="$PWD/conf/spark"

say() {
    printf '\n\033[1m== %s\033[0m\n' "$1"
}

step() {
    say "$1"
    printf '   %s\n' "${*:2}"
    "${@:2}"
}

# Let the cameras archive some coils: move their pictures from the plant to the archive.
archive() {
    local coil
    for coil in $(seq -f %03g "$1" "$2"); do
        mv demo/plant/images/coil_"$coil"-* demo/archive/images/
    done
}

# Damage three files of night 2: one is cut short, one is empty, one is no picture.
damage() {
    local one=demo/plant/images/coil_010-camera_2-frame
    head -c 5000 "${one}_0003.jpg" > demo/cut.jpg
    mv demo/cut.jpg "${one}_0003.jpg"
    : > "${one}_0004.jpg"
    echo "disk full" > "${one}_0005.jpg"
}

# Score what is new in the archive.
score() {
    step "Night $1: score the new pictures with Spark" \
        spark-submit jobs/score.py --input demo/archive --bundle demo/bundle \
        --shadow demo/candidate --output demo/output --config conf/demo.yaml
}

query() {
    steeldefect sql --output demo/output "${@:2}" "$1"
}

rm -rf demo
mkdir -p demo/archive/images

# -- two bundles ----------------------------------------------------------------------------------

step "Generate strips to train on" \
    python -m training generate --data demo/train --pictures 300 --seed 1
say "Train the candidate in the background; its progress is in demo/candidate.log"
fit=(python -m training fit --data demo/train --recipe conf/recipes/demo.yaml
    --bundle demo/candidate --set gate.epochs=16 --set segmenter.epochs=12)
printf '   %s\n' "${fit[*]}"
"${fit[@]}" > demo/candidate.log 2>&1 &
candidate=$!
trap 'kill "$candidate" 2> /dev/null || true' EXIT
step "Train the bundle that leads, at half the resolution" \
    python -m training fit --data demo/train --recipe conf/recipes/demo.yaml \
    --bundle demo/bundle --epochs 12 \
    --set gate.input.height=64 --set gate.input.width=256 \
    --set segmenter.input.height=64 --set segmenter.input.width=256
step "Generate the pictures of three nights; training never sees their labels" \
    python -m training generate --data demo/plant --pictures 480 --seed 2026 \
    --frames 10 --cameras 2 --roll-mark 12 --dark-camera 2 --dark-coils 17-24
say "Wait for the candidate"
wait "$candidate" || { tail -n 5 demo/candidate.log >&2; exit 1; }
trap - EXIT
tail -n 3 demo/candidate.log

# -- three nights ---------------------------------------------------------------------------------

archive 1 8
score 1
damage
archive 9 16
score 2
archive 17 24
score 3

# -- the morning after ----------------------------------------------------------------------------

step "Compare the findings of the bundle that leads with the labels" \
    spark-submit jobs/evaluate.py --output demo/output --labels demo/plant/train.csv
shadow=$(query "select bundle from runs where shadow_of is not null limit 1" --format csv | tail -n 1)
step "Compare the findings of the candidate with the labels" \
    spark-submit jobs/evaluate.py --output demo/output --labels demo/plant/train.csv \
    --bundle "$shadow"
step "Draw found and true masks on some pictures" \
    steeldefect overlays --output demo/output --truth demo/plant/train.csv demo/overlays
step "Query the tables: the defects of each class, in millimetres" \
    steeldefect sql --output demo/output "
    select class_name, count(*) as defects, count(distinct key) as pictures,
           count(distinct coil) as coils, round(median(length_mm), 1) as median_length_mm,
           round(max(length_mm), 1) as longest_mm, round(sum(area_mm2)) as area_mm2
    from newest_defects where run_id in (select run_id from leading_runs)
    group by class_name order by class_name"
step "Query the tables: the three nights" \
    steeldefect sql --output demo/output "
    select row_number() over (order by run_number) as night, scored, defective, quarantined,
           (select count(*) from drift where drift.run_id = run.run_id and alarm) as alarms,
           (select count(*) from repeats where repeats.run_id = run.run_id) as repeats
    from leading_runs as run where job = 'score' order by night"
step "Query the tables: how far the candidate finds the same, in pixels" \
    steeldefect sql --output demo/output "
    select class_name, sum(area) as leads, sum(shadow_area) as candidate,
           round(2 * sum(intersection) / sum(area + shadow_area), 2) as dice
    from agreement group by class_name order by class_name"
step "Query the tables: what could not be scored, and why" \
    steeldefect sql --output demo/output "
    select key, stage, error, message from not_scored
    where run_id in (select run_id from leading_runs) order by key"

step "Write the morning page of the three nights" \
    steeldefect report --output demo/output --to demo/page --nights 3 --config conf/demo.yaml

# -- the summary ----------------------------------------------------------------------------------

# Print one metric of a bundle.
metric() {
    query "select printf('%.3f', value) from metrics
           where name = '$2' and scope = 'overall' and bundle $1 '$shadow'
           order by scored_at desc limit 1" --format csv | tail -n 1
}

# Print what the watch found, a sentence a line.
found() {
    query "with nights as (
               select run_id, row_number() over (order by run_number) as night
               from leading_runs where job = 'score')
           select '  night ' || night || ': ' || sentence as said
           from (select run_id, sentence from repeats
                 union all select run_id, sentence from drift
                 where alarm and quantity = 'gray_mean' and camera is not null)
           join nights using (run_id) order by night, said" --format csv | tail -n +2 | tr -d '"'
}

cat <<SUMMARY

Done in $((SECONDS - began)) s. What the watch found:
$(found)

Scores on all three nights, which training never saw:
                       leads  candidate
  positives-only Dice  $(metric '<>' positives_dice)  $(metric '=' positives_dice)   masks, on pictures and classes with a defect
  mean Dice            $(metric '<>' mean_dice)  $(metric '=' mean_dice)   Kaggle's measure ($(metric '<>' all_empty_dice) without any finding)
  gate recall          $(metric '<>' gate_recall)  $(metric '=' gate_recall)   share of the defective pictures that reach the segmenter
  gate clean recall    $(metric '<>' gate_clean_recall)  $(metric '=' gate_clean_recall)   share of the clean pictures that the gate stops

  demo/train      generated pictures and labels for training
  demo/plant      labels of the pictures of the three nights
  demo/archive    these pictures, as they were scored
  demo/bundle     the model bundle that leads
  demo/candidate  a better one, which scored beside it as its shadow
  demo/output     the tables (Delta, Parquet)
  demo/overlays   found and true masks, drawn on pictures
  demo/page       the morning page

Query the tables yourself:
  $(dirname "$(command -v steeldefect)" | sed "s|^$PWD/||")/steeldefect sql --output demo/output "select * from images limit 5"

Open the morning page:
  file://$PWD/demo/page/index.html
SUMMARY
