"""What the workload reaches, and what it does not, with and without rules."""

import unittest

import internet
from internet import GATE, HOST, HOST6, LINK_LOCAL, METADATA, OTHER, PRIVATE, PUBLIC, PUBLIC6


class Default(internet.TestCase):
    """Without rules: public addresses."""

    def test_public_addresses_are_reached(self):
        self.assert_reached(self.fetch([], f"http://{PUBLIC}/"), PUBLIC)

    def test_public_addresses_are_reached_over_ipv6(self):
        self.assert_reached(self.fetch([], f"http://[{PUBLIC6}]/"), PUBLIC6)


if __name__ == "__main__":
    internet.main()
