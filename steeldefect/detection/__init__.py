"""From a decoded picture to findings: gate, segmenter, masks. Arrays only."""
