"""What sidecars learn about their answers, kept in Redis: all of them know the same, and a restart forgets nothing."""
