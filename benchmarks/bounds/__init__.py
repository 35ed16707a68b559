"""What bounds scoring: the arithmetic of the models, and what the job spends beside them."""
