"""How often a stored answer is served by meaning, and how often wrongly, on streams whose right answers are known."""

import os

# Before NumPy is there. Products of this size gain nothing from a second thread, and one that waits for a busy core
# spins: with another process on two cores, a replay took 136 s instead of 18 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
