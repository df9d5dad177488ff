#include "cli/report_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace sandstone::cli {
namespace {

class ReportFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sandstone-report-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/report";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string content() const { return read_file(path_).value(); }

  std::string folder_;
  std::string path_;
};

std::string refusal(std::string_view where) {
  const auto file = ReportFile::open(where, "--json");
  return file ? "accepted" : file.error().line();
}

}  // namespace

TEST_F(ReportFileTest, IsForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  auto file = ReportFile::open(path_, "--json");
  ::umask(before);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write("new\n"));
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  EXPECT_EQ(content(), "new\n");
}

TEST_F(ReportFileTest, EmptiesAnOldReportOnlyWhenTheRunBegins) {
  ASSERT_TRUE(ReportFile::open(path_, "--json").value().write("an old report\n"));
  auto file = ReportFile::open(path_, "--json");
  ASSERT_TRUE(file);
  EXPECT_EQ(content(), "an old report\n");
  ASSERT_TRUE(file->begin());
  ASSERT_TRUE(file->write("new\n"));
  EXPECT_EQ(content(), "new\n");
}

TEST_F(ReportFileTest, AbandonsOnlyWhatItMade) {
  ReportFile::open(path_, "--json").value().abandon();
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(ReportFile::open(path_, "--json").value().write("x"));
  ReportFile::open(path_, "--json").value().abandon();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ReportFileTest, FollowsNoLink) {
  ASSERT_TRUE(ReportFile::open(folder_ + "/victim", "--json").value().write("precious"));
  std::filesystem::create_symlink(folder_ + "/victim", path_);
  EXPECT_EQ(refusal(path_), "--json: '" + path_ + "' is a symbolic link (give the file itself, or FD:N)");
  std::filesystem::remove(path_);
  std::filesystem::create_symlink(folder_ + "/not-there", path_);
  EXPECT_EQ(refusal(path_), "--json: '" + path_ + "' is a symbolic link (give the file itself, or FD:N)");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/not-there"));
}

TEST_F(ReportFileTest, TakesOnlyDescriptorsThatCanBeWritten) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe);
  EXPECT_EQ(refusal("FD:" + std::to_string(pipe->write.get())), "accepted");
  EXPECT_NE(refusal("FD:" + std::to_string(pipe->read.get())).find("is not open for writing"),
            std::string::npos);
  EXPECT_NE(refusal("FD:987").find("descriptor 987 is not open"), std::string::npos);
  for (const char* where : {"FD:", "FD:x", "FD:-1", "FD:3x", "FD:99999999999"})
    EXPECT_NE(refusal(where).find("is not the number of a descriptor"), std::string::npos) << where;
  EXPECT_EQ(refusal(""), "--json: the name of the file is empty (FILE or FD:N)");
}

TEST_F(ReportFileTest, NeverWaitsForASlowReader) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe);
  auto file = ReportFile::open("FD:" + std::to_string(pipe->write.get()), "--events");
  ASSERT_TRUE(file);
  const std::string line(4000, 'x');
  size_t taken = 0;
  while (taken < 1000 && file->try_write_lines(line, {})) ++taken;
  EXPECT_LT(taken, 1000) << "the pipe is full and the writer still here";
  char block[65536];
  ASSERT_GT(::read(pipe->read.get(), block, sizeof block), 0);
  EXPECT_TRUE(file->try_write_lines(line, {})) << "it goes on once there is room";
}

TEST_F(ReportFileTest, OutlivesItsReader) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe);
  auto file = ReportFile::open("FD:" + std::to_string(pipe->write.get()), "--events");
  ASSERT_TRUE(file);
  pipe->read.reset();
  ASSERT_EQ(::signal(SIGPIPE, SIG_DFL), SIG_DFL)
      << "with the signal's default the test program would end here";
  EXPECT_FALSE(file->try_write_lines("x\n", {}));
  EXPECT_FALSE(file->write("x\n"));
}

}  // namespace sandstone::cli
