#include "probe/bench.h"

#include <gtest/gtest.h>

namespace sandstone::probe {
namespace {

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(percentile({3, 1, 2}, 50), 2);
  EXPECT_EQ(percentile({7}, 99), 7);
  std::vector<double> hundred;
  for (int i = 100; i > 0; --i) hundred.push_back(i);
  EXPECT_EQ(percentile(hundred, 99), 99);
  EXPECT_EQ(percentile(hundred, 100), 100);
  EXPECT_EQ(percentile(hundred, 0), 1);
}

TEST(BenchReport, ShowsEachSubjectBesideTheBareHost) {
  BenchReport report;
  report.kernel = "Linux\x1b[2J";
  report.runs = 3;
  report.call_names = {"getppid"};
  report.subjects = {{"bare", {500, 900, 1}, {{"getppid", {100, 1}}}},
                     {"full", {2000, 4000, 4}, {{"getppid", {105, 1.05}}}}};
  const std::string text = bench_text(report);
  EXPECT_NE(text.find("full          2.00 ms     4.00 ms        4.00"), std::string::npos) << text;
  EXPECT_NE(text.find("105.0 x  1.05"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(bench_json(report).find("\"ratio\": 1.05"), std::string::npos);
}

}  // namespace
}  // namespace sandstone::probe
