"""Half a minute of simulated lives, with even seeds."""

from tests.simulation.halves import keep_the_promises


def test_simulated_lives_of_even_seeds_keep_the_promises() -> None:
    keep_the_promises(0)
