"""What an exchange cost, and what it would have cost: money, energy and carbon. Pure: no I/O."""
