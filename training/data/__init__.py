"""The labelled pictures of a data folder, and the batches made of them."""
