"""Find defects in decoded pictures: gate, segmenter, masks. Arrays only."""
