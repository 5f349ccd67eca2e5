"""The vocabulary of duoyun: values that every part speaks and no part owns.

Imports nothing of ours, does no I/O, reads no clock. Callers: everything above. Non-goals: behaviour that
needs a cloud, a database or a decision; those live in the part that the decision belongs to.
"""

__project__ = "duoyun"
