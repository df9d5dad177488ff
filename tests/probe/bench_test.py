"""`sandstone bench`: every tier is measured beside the bare host. What the figures are is for ./dev bench to judge."""

import json

import sandstone_test

CALLS = {"getppid", "open+close", "read", "stat", "write"}


class Bench(sandstone_test.TestCase):
    def test_each_tier_is_measured_beside_the_bare_host(self):
        ended = self.sandstone("bench", "--runs", "3", "--json")
        self.assertEqual(ended.status, 0, ended)
        report = json.loads(ended.out)
        self.assertEqual(list(report["subjects"]), ["bare", "none", "ns", "landlock", "full"])
        for name, subject in report["subjects"].items():
            with self.subTest(subject=name):
                self.assertGreater(subject["start_up"]["median_us"], 0)
                self.assertGreaterEqual(subject["start_up"]["p99_us"], subject["start_up"]["median_us"])
                self.assertEqual(set(subject["calls"]), CALLS)
                self.assertTrue(all(cost["ns"] > 0 and cost["ratio"] > 0 for cost in subject["calls"].values()))
        bare = report["subjects"]["bare"]
        self.assertEqual({bare["start_up"]["ratio"], *(cost["ratio"] for cost in bare["calls"].values())}, {1.0})

    def test_the_text_shows_one_tier_if_one_is_asked_for(self):
        ended = self.sandstone("bench", "--runs", "1", "--tier", "ns")
        self.assertEqual(ended.status, 0, ended)
        self.assertRegex(ended.out, r"(?m)^ns +[\d.]+ ms")
        self.assertNotRegex(ended.out, r"(?m)^full ")

    def test_bad_input_gets_one_line(self):
        for args in (["--runs", "0"], ["--runs", "many"], ["--tier", "nonsense"], ["word"]):
            with self.subTest(args=args):
                self.assert_refused(self.sandstone("bench", *args), args[-1])


if __name__ == "__main__":
    sandstone_test.main()
