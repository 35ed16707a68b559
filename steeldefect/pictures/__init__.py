"""Pictures and masks as arrays: decoding, preprocessing, run lengths."""
