"""How well our rules agree with labelled fixtures that others wrote. See __main__."""
