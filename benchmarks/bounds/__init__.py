"""What limits scoring: the arithmetic of the models, and the CPU time of the job around them."""
