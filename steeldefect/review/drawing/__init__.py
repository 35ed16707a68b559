"""Draw a picture with its numbered defects; `sheet` puts everything together."""
