"""Parameters of processes from observed points: minimum contrast, pseudolikelihood, regression."""
