"""Sentences that embedders are tried on."""

from __future__ import annotations

PARAPHRASES = [
    ("How do I reset my password?", "I forgot my password, how can I set a new one?"),
    ("Where is my parcel?", "Can you tell me when my package will arrive?"),
    ("Cancel my subscription, please.", "I want to stop my monthly plan."),
    ("What does it cost to ship to Norway?", "How much is delivery to Norway?"),
    ("My screen stays black after the update.", "Since the upgrade my display shows nothing."),
    ("How long do I boil an egg?", "How many minutes does an egg need in boiling water?"),
    ("Reverse a string in Python", "python code that turns a text around"),
    ("Is breakfast part of the room price?", "Does the hotel rate include breakfast?"),
]
OTHERS = [
    "Our neighbour's dog barks the whole night long.",
    "SELECT city, COUNT(*) FROM visitors GROUP BY city HAVING COUNT(*) > 40;",
    "Wann fährt morgen früh der erste Zug nach Salzburg?",
    "¿Dónde puedo ver el número de mi factura?",
    "Le robinet de la cuisine fuit depuis hier soir.",
    "Which vaccines does a puppy need in its first year?",
    "E1042: the printer tray 2 is empty or not closed",
    "7 * (12 - 4) / 2 = ?",
    "ok thanks",
    "Write three rhyming lines about a lighthouse keeper who is afraid of the dark and counts the waves until dawn.",
    "The committee moved the vote to the second week of October, because two of the seven members were ill.",
    "Disable two-factor sign-in for the account of my late aunt.",
    "docker run --rm -p 8080:80 nginx",
    "What is the boiling point of ethanol at 0.5 bar?",
]
SENTENCES = [sentence for pair in PARAPHRASES for sentence in pair] + OTHERS
