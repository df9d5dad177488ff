"""How `sandstone probe` shows what it found: text, JSON, the page in a browser; and how it refuses and ends."""

import json
import os
import re
import shutil
import subprocess
import unittest

import sandstone_test

# The test machine is too small for one, and the page is the same on every kernel.
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


# Few walls make for few runs: what is shown is the same. The promises that the missing walls would keep are broken.
FEW = ("--tier", "full", "--walls", "environment,net,user")


class Faces(sandstone_test.TestCase):
    def probe(self, *args, status=0):
        ended = self.sandstone("probe", *args, timeout=300)
        self.assertEqual(ended.status, status, ended)
        return ended.out

    def test_the_text_fits_120_columns_and_says_what_it_found(self):
        text = self.probe(*FEW, status=1)
        self.assertEqual([line for line in text.splitlines() if len(line) > 120], [])
        self.assertRegex(text, r"udp-send +ECONNREFUSED +net\n")
        self.assertRegex(text, r"io-uring +ALLOWED !\n")
        self.assertRegex(text, r"full +\d+ stopped +\d+ allowed +\d+ without control +\d+ promised: \d+ kept.*, \d+ BROKEN")
        self.assertNotIn("\x1b", text)

    def test_a_report_can_be_shown_again(self):
        saved = self.dir / "report.json"
        saved.write_text(self.probe("--tier", "ns", "--no-ablation", "--json"), encoding="utf-8")
        self.assertIn("read-home-secret", self.probe("--from", saved))
        self.assertEqual(json.loads(self.probe("--from", saved, "--json")), json.loads(saved.read_text(encoding="utf-8")))

    def test_bad_input_gets_one_line(self):
        for args, words in [
            (["--tier", "nonsense"], ["--tier", "nonsense"]),
            (["--tier", "full", "--walls", "nonsense"], ["--walls", "nonsense"]),
            (["--from", "/nonexistent"], ["/nonexistent"]),
            (["--from", "/etc/hostname"], ["report"]),
            (["--tier", "full", "--no-ablation", "--html", "/nonexistent/page.html"], ["--html"]),
        ]:
            with self.subTest(args=args):
                self.assert_refused(self.sandstone("probe", *args), *words)

    def test_an_interrupted_probe_cleans_up(self):
        def canary_has_a_folder():
            return any("sandstone-probe-" in trace for trace in sandstone_test.traces() - self.before)

        def workload_runs():
            return any("/shared/probe all" in line for line in sandstone_test.descendants().values())

        for moment in (canary_has_a_folder, workload_runs):
            with self.subTest(moment=moment.__name__):
                child = self.start("probe", "--json", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                sandstone_test.until(moment, moment.__name__)
                child.terminate()
                self.assertEqual(child.wait(60), 125)
                self.assert_nothing_left()

    def test_the_page_needs_nothing_from_elsewhere(self):
        html, report = self.page()
        self.assertNotRegex(html, r"""(src|href)=["'](https?:)?//""")
        self.assertNotRegex(html, r"@import|url\((?!data:)")
        self.assertIn("default-src 'none'", html)
        self.assertGreater(len(report["operations"]), 60)

    @unittest.skipUnless(BROWSER, "no browser here: install the package chromium")
    def test_the_page_works_in_a_browser(self):
        html, report = self.page()
        dom, complaints = self.open_in_browser(f"file://{self.dir}/page.html#udp-send")
        self.assertEqual(complaints, [])
        self.assertEqual(dom.count('class="operation"'), len(report["operations"]))
        self.assertEqual(re.findall(r'data-wall="([^"]*)"', dom), ["environment", "net", "user"])
        self.assertIn("Take net away, and it succeeds.", dom, "the linked attempt is open")

    @unittest.skipUnless(BROWSER, "no browser here: install the package chromium")
    def test_markup_in_a_report_stays_text(self):
        html, report = self.page()
        evil = "</script><script>console.error('owned')</script><img src=x onerror=console.error('owned')>"
        for row in report["operations"]:
            row["description"] = row["tiers"]["full"]["detail"] = row["control"]["where"] = evil
        saved = self.dir / "evil.json"
        saved.write_text(json.dumps(report), encoding="utf-8")
        self.probe("--from", saved, "--html", self.dir / "evil.html", status=1)
        dom, complaints = self.open_in_browser(f"file://{self.dir}/evil.html#udp-send")
        self.assertEqual(complaints, [])
        self.assertNotIn("<img", dom)
        self.assertIn("&lt;img src=x", dom, "the linked attempt shows it as text")

    shared_page = None  # made once

    def page(self):
        """A page, now in self.dir, and the report in it."""
        page = self.dir / "page.html"
        if self.shared_page is None:
            self.probe(*FEW, "--html", page, status=1)
            Faces.shared_page = page.read_text(encoding="utf-8")
        page.write_text(self.shared_page, encoding="utf-8")
        report = re.search(r'<script id="report" type="application/json">(.*?)</script>', self.shared_page, re.S).group(1)
        return self.shared_page, json.loads(report)

    def open_in_browser(self, url):
        ended = sandstone_test.command(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={self.dir}/profile",
             "--virtual-time-budget=5000", "--dump-dom", url], timeout=120, env={**os.environ, "HOME": str(self.dir)})
        self.assertEqual(ended.status, 0, ended)
        return ended.out, [line for line in ended.err.splitlines() if "CONSOLE" in line]


if __name__ == "__main__":
    sandstone_test.main()
