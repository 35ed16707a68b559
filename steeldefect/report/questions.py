"""Every question that a page asks the tables; `$run` and `$day` name the night.

Each reads the partitions of its nights alone, so that a long history costs nothing.
"""

from __future__ import annotations

RUNS = """
SELECT run_id, bundle, scored_date, scored_at, run_number, source, outcome, error, planned, skipped,
    scored, quarantined, defective, waves, seconds, pictures_per_second, engine, settings, classes,
    thresholds, versions
FROM leading_runs WHERE job = 'score'
ORDER BY run_number NULLS FIRST, scored_at
"""
FOUND = """
SELECT count(*) AS pictures, count_if(verdict = 'defect') AS defective,
    count_if(verdict = 'gated') AS stopped, count_if(verdict = 'clean') AS clean,
    count(audit_defects) AS audited, count_if(audit_defects > 0) AS audit_found,
    count(DISTINCT coil) AS coils, count_if(coil IS NULL) AS without_coil,
    count(DISTINCT camera) AS cameras
FROM images WHERE run_id = $run AND scored_date = $day
"""
CLASSES = """
SELECT class_id, class_name, count(*) AS pictures, sum(area) AS area_px
FROM predictions WHERE run_id = $run AND scored_date = $day
GROUP BY class_id, class_name ORDER BY class_id
"""
DEFECTS = """
SELECT class_id, count(*) AS defects, round(fsum(area_mm2), 1) AS area_mm2,
    max(length_mm) AS longest_mm, max(length) AS longest_px
FROM defects WHERE kept AND run_id = $run AND scored_date = $day
GROUP BY class_id ORDER BY class_id
"""
CAMERAS = """
SELECT camera, count(*) AS pictures, count_if(verdict = 'defect') AS defective,
    count(DISTINCT coil) AS coils
FROM images WHERE run_id = $run AND scored_date = $day
GROUP BY camera ORDER BY camera
"""
COILS = """
SELECT coil, count(*) AS pictures, count_if(verdict = 'defect') AS defective,
    count_if(audit_defects > 0) AS audit_found, min(position_mm) AS begin_mm,
    max(position_mm) AS end_mm
FROM images WHERE run_id = $run AND scored_date = $day AND coil IS NOT NULL
GROUP BY coil ORDER BY coil
"""
COIL_DEFECTS = """
SELECT coil, class_id, class_name, count(*) AS defects, sum(area) AS area_px,
    round(fsum(area_mm2), 1) AS area_mm2, max(length_mm) AS longest_mm
FROM defects WHERE kept AND run_id = $run AND scored_date = $day AND coil IS NOT NULL
GROUP BY coil, class_id, class_name ORDER BY coil, class_id
"""
NOT_SCORED = """
SELECT stage, error, count(*) AS pictures, count_if(transient AND given_up) AS given_up,
    count_if(NOT transient) AS final, min(message) AS example
FROM quarantine WHERE run_id = $run AND scored_date = $day
GROUP BY stage, error ORDER BY pictures DESC, stage, error
"""
FAILED = """
SELECT source, key, stage, error, message, transient, given_up, tries
FROM quarantine WHERE run_id = $run AND scored_date = $day
ORDER BY key, source LIMIT $most
"""
REPEATS = """
SELECT kind, coil, camera, side, class_id, class_name, roll, ratio, period_mm, diameter_mm,
    phase_mm, marks, turns, begin_mm, end_mm, scatter_mm, lane_mm, lane_width_mm, place_x, place_y,
    coils, coils_seen, p_value, defects, sentence, member_sources, member_keys, member_numbers
FROM repeats WHERE run_id = $run AND scored_date = $day
ORDER BY p_value, coil, roll, ratio
"""
DRIFT = """
SELECT camera, quantity, class_id, class_name, reference, reference_count, night_count,
    reference_value, night_value, distance, threshold, p_value, alarm, sentence
FROM drift WHERE run_id = $run AND scored_date = $day
ORDER BY camera NULLS FIRST, quantity, class_id
"""
WATCHED = """
SELECT scope, class_id, class_name, name, value, low, high, support, labels, invalid
FROM metrics WHERE run_id = $run AND scored_date = $day
ORDER BY name, labels, class_id NULLS FIRST
"""
EVALUATED = """
SELECT name, value, low, high, support, labels, invalid, run_id, scored_at
FROM metrics
WHERE bundle = $bundle AND scope = 'overall' AND size_class IS NULL AND run_id = (
    SELECT run_id FROM runs WHERE job = 'evaluate' AND outcome = 'success' AND bundle = $bundle
    ORDER BY run_number DESC NULLS LAST, scored_at DESC LIMIT 1
)
ORDER BY name
"""
GATE = """
SELECT round(2 * ln(odds)) AS half_step, verdict <> 'gated' AS passed, count(*) AS pictures
FROM (
    SELECT verdict, greatest(least(gate_probability::DOUBLE, 1 - 1e-5), 1e-5) AS p,
        p / (1 - p) AS odds
    FROM images
    WHERE run_id = $run AND scored_date = $day AND isfinite(gate_probability)
)
GROUP BY half_step, passed ORDER BY half_step, passed
"""
USUAL_PICTURES = """
SELECT run_id, coil, count(*) AS pictures, count_if(verdict = 'defect') AS defective,
    count_if(verdict = 'gated') AS stopped
FROM images WHERE run_id IN $runs AND scored_date BETWEEN $first AND $day
GROUP BY run_id, coil ORDER BY run_id, coil
"""
USUAL_CLASSES = """
SELECT run_id, images.coil, class_id, count(*) AS pictures
FROM predictions JOIN images USING (run_id, source, key)
WHERE run_id IN $runs AND predictions.scored_date BETWEEN $first AND $day
    AND images.scored_date BETWEEN $first AND $day
GROUP BY run_id, images.coil, class_id ORDER BY run_id, images.coil, class_id
"""
AREA_OF_NIGHTS = """
SELECT run_id, class_id, sum(area) AS area_px
FROM predictions WHERE run_id IN $runs AND scored_date BETWEEN $first AND $day
GROUP BY run_id, class_id ORDER BY run_id, class_id
"""
CAMERAS_OF_NIGHTS = """
SELECT run_id, camera, quantity, night_value, reference_value, distance, threshold, alarm
FROM drift WHERE run_id IN $runs AND scored_date BETWEEN $first AND $day
    AND class_id IS NULL AND distance IS NOT NULL
ORDER BY run_id, camera NULLS FIRST, quantity
"""
WORST = """
SELECT source, key, number, class_id, class_name, area, area_mm2, length_mm, width_mm, coil,
    along_mm, across_mm, mean_probability
FROM defects WHERE kept AND run_id = $run AND scored_date = $day
QUALIFY row_number() OVER (PARTITION BY class_id ORDER BY area DESC, key, number) <= $most
ORDER BY row_number() OVER (PARTITION BY class_id ORDER BY area DESC, key, number), area DESC
"""
AUDIT_FINDS = """
SELECT source, key, class_id, class_name, area, mean_probability
FROM audit_predictions WHERE run_id = $run AND scored_date = $day
ORDER BY area DESC, key, class_id LIMIT $most
"""
SHADOW_DIFFERS = """
SELECT source, key, class_id, class_name, area, shadow_area, intersection, shadow_run,
    shadow_bundle,
    area + shadow_area - 2 * intersection AS pixels
FROM agreement
WHERE run_id = $run AND scored_date = $day AND area + shadow_area - 2 * intersection > 0
ORDER BY pixels DESC, key, class_id LIMIT $most
"""
FOUND_PICTURES = """
SELECT source, key, sum(area) AS area_px
FROM predictions WHERE run_id = $run AND scored_date = $day
GROUP BY source, key ORDER BY area_px DESC, key, source LIMIT $most
"""
COIL_PICTURES = """
SELECT source, key, coil, camera, side, verdict, position_mm, width, height, pixel_mm_x, pixel_mm_y
FROM images WHERE run_id = $run AND scored_date = $day AND coil IS NOT NULL
ORDER BY coil, camera, side, position_mm, key
"""
COIL_MARKS = """
SELECT source, key, number, coil, camera, side, class_id, class_name, along_mm, across_mm, area,
    area_mm2, length_mm, width_mm, length, width, centroid_x, centroid_y, box_left, box_top,
    box_right, box_bottom
FROM defects WHERE kept AND run_id = $run AND scored_date = $day AND coil IS NOT NULL
ORDER BY coil, area DESC, key, number
"""
ALARMS_OF_ALL = """
SELECT run_id, count(DISTINCT camera) AS cameras, count(*) AS alarms FROM drift WHERE alarm
GROUP BY run_id
"""
REPEATS_OF_ALL = """
SELECT run_id, count(*) AS repeats FROM repeats WHERE kind <> 'harmonic' GROUP BY run_id
"""
