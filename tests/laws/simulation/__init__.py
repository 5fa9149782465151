"""The whole tap above the socket in a world of its own: time, network, API, target and accidents.

Everything is drawn from one seed, and a seed replays exactly:

    python -m tests.laws.simulation --seeds 1000 --first 0

One seed is one *life* (`life.py`): several runs of the tap over simulated months, with faults,
kills, signals, changed settings and restated figures, and then a few calm ones. `laws.py` says what
must hold at every STATE and at the end, `expectations.py` what a run may ask the API for.
"""
