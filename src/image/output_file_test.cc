#include "image/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace sandstone::image {
namespace {

struct Folder {
  Folder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] size_t count() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  std::string path = testing::TempDir() + "sandstone-output-XXXXXX";
};

}  // namespace

TEST(ImageOutputFile, IsThereWhenItIsWhole) {
  const Folder folder;
  const std::string path = folder.path + "/" + std::string(255, 'x');
  for (int i = 0; i < 2; ++i) {  // the second time, one is there
    auto output = OutputFile::create(path);
    ASSERT_TRUE(output) << output.error().line();
    EXPECT_TRUE(output->scratch());
    EXPECT_EQ(::write(output->get(), "whole", 5), 5);
    EXPECT_EQ(folder.count(), static_cast<size_t>(i));
    EXPECT_TRUE(output->commit());
    EXPECT_EQ(folder.count(), 1U);
    EXPECT_EQ(*read_file(path), "whole");
  }
}

TEST(ImageOutputFile, IsGoneIfItIsNot) {
  const Folder folder;
  EXPECT_TRUE(OutputFile::create(folder.path + "/x"));
  EXPECT_EQ(folder.count(), 0U);
}

TEST(ImageOutputFile, ReplacesFilesOnly) {
  const Folder folder;
  std::filesystem::create_directory(folder.path + "/folder");
  std::filesystem::create_symlink("folder", folder.path + "/link");
  for (const char* name : {"/folder", "/link", "/", "/.", "/..", "/none/x"})
    EXPECT_FALSE(OutputFile::create(folder.path + name)) << name;
  EXPECT_FALSE(OutputFile::create(""));
}

}  // namespace sandstone::image
