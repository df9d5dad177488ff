#include <gtest/gtest.h>
#include <sandstone/image.h>
#include <sandstone/run_spec.h>

namespace sandstone {
namespace {

const ImageConfig kConfig{{"/entry", "-x"}, {"word"}, {"A=1", "B=x=y", "A=2"}, "srv", "web:logs"};

TEST(ApplyImageConfig, FillsWhatIsOpen) {
  RunSpec spec;
  ASSERT_TRUE(apply_image_config(kConfig, spec));
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"/entry", "-x", "word"}));
  EXPECT_EQ(spec.working_directory, "/srv");
  EXPECT_EQ(spec.image_user, "web:logs");
  EXPECT_EQ(spec.image_environment,
            (std::vector<std::pair<std::string, std::string>>{{"B", "x=y"}, {"A", "2"}}));
  EXPECT_TRUE(spec.environment.empty());
}

TEST(ApplyImageConfig, LeavesWhatIsSaid) {
  RunSpec spec = RunSpec::command({"mine"});
  spec.working_directory = "/here";
  spec.user = User{5, 6};
  ASSERT_TRUE(apply_image_config(kConfig, spec));
  EXPECT_EQ(spec.argv, std::vector<std::string>{"mine"});
  EXPECT_EQ(spec.working_directory, "/here");
  EXPECT_TRUE(spec.image_user.empty());
}

TEST(ApplyImageConfig, RefusesWhatCannotBe) {
  for (const ImageConfig& config :
       {ImageConfig{}, ImageConfig{.cmd = {""}}, ImageConfig{.cmd = {"x"}, .env = {"A"}},
        ImageConfig{.cmd = {"x"}, .env = {"=1"}}}) {
    RunSpec spec;
    spec.disk_image = "/disk.img";
    const auto applied = apply_image_config(config, spec);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().where, "/disk.img");
  }
}

}  // namespace
}  // namespace sandstone
