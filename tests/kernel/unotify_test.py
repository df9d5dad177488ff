"""Guests whose calls come by notification: the library kernel is in a process of its own, out of their reach."""
