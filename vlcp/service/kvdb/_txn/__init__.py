"""What the transaction layer decides, as plain values: no routines, no clock, no database.

``mirror`` knows which values were seen when, ``walk`` runs read walkers on it, ``attempt`` runs write
walkers on a snapshot, ``indexes`` completes their writes, ``watches`` knows who watches what.
"""
