#include "image/process/tree.h"

#include <gtest/gtest.h>

#include "image/process/plan.h"

namespace sandstone::image {
namespace {

Node file(mode_t type = S_IFREG) {
  Node node;
  node.mode = type | 0644;
  return node;
}

Node symlink(std::string target) {
  Node node = file(S_IFLNK);
  node.target = std::move(target);
  return node;
}

// All that is in the tree, as "a/b", sorted; a folder ends with a slash.
std::vector<std::string> paths(const Tree& tree, NodeId folder = Tree::kRoot,
                               const std::string& before = {}) {
  std::vector<std::string> found;
  for (const auto& [name, entry] : tree.at(folder).names) {
    const bool is_folder = tree.at(entry.node).is_folder();
    found.push_back(before + name + (is_folder ? "/" : ""));
    if (!is_folder) continue;
    for (std::string& path : paths(tree, entry.node, before + name + "/")) found.push_back(std::move(path));
  }
  return found;
}

using Paths = std::vector<std::string>;

std::string put(Tree& tree, std::string_view path, Node node = file(), uint32_t layer = 0) {
  auto done = tree.put(path, std::move(node), layer);
  return done ? "" : done.error().what;
}

std::string link(Tree& tree, std::string_view path, std::string_view target) {
  auto done = tree.link(path, target, 0);
  return done ? "" : done.error().what;
}

}  // namespace

TEST(ImageTree, PathsStayInside) {
  Tree tree;
  for (const char* path : {"../a", "/b", "./c/", "d//e/../f", "g/../../../h", "i/."})
    EXPECT_EQ(put(tree, path), "") << path;
  EXPECT_EQ(paths(tree), (Paths{"a", "b", "c", "d/", "d/e/", "d/f", "g/", "h", "i"}));
}

TEST(ImageTree, TheRootIsAFolderWhateverItIsCalled) {
  Tree tree;
  Node root;
  root.mode = S_IFDIR | 0700;
  for (const char* path : {"", "/", ".", "./", "..", "../.."}) {
    EXPECT_EQ(put(tree, path, root), "") << path;
    EXPECT_NE(put(tree, path), "") << path;
  }
  EXPECT_EQ(tree.at(Tree::kRoot).mode, root.mode);
  EXPECT_TRUE(paths(tree).empty());
}

TEST(ImageTree, LinksOnTheWayAreFollowedInside) {
  Tree tree;
  EXPECT_EQ(put(tree, "usr/lib", Node{}), "");
  EXPECT_EQ(put(tree, "lib", symlink("usr/lib")), "");
  EXPECT_EQ(put(tree, "deep/up", symlink("../../../../usr")), "");
  EXPECT_EQ(put(tree, "abs", symlink("/usr/lib")), "");
  EXPECT_EQ(put(tree, "lib/a"), "");
  EXPECT_EQ(put(tree, "deep/up/b"), "");
  EXPECT_EQ(put(tree, "abs/../c"), "") << "the folder above what the link leads to";
  EXPECT_EQ(paths(tree),
            (Paths{"abs", "deep/", "deep/up", "lib", "usr/", "usr/b", "usr/c", "usr/lib/", "usr/lib/a"}));
  EXPECT_EQ(put(tree, "lib"), "") << "the last name is not followed";
  EXPECT_EQ(put(tree, "lib/x"), "'lib' on the way is no folder");
}

TEST(ImageTree, LoopsOfLinksEnd) {
  Tree tree;
  EXPECT_EQ(put(tree, "a", symlink("b/b/b/b")), "");
  EXPECT_EQ(put(tree, "b", symlink("a/a/a/a")), "");
  EXPECT_NE(put(tree, "a/x"), "");
}

TEST(ImageTree, HardLinksLeadToWhatIsThere) {
  Tree tree;
  EXPECT_EQ(put(tree, "a/b"), "");
  EXPECT_EQ(link(tree, "c", "a/b"), "");
  EXPECT_EQ(link(tree, "d", "/a/../a/b"), "");
  EXPECT_EQ(link(tree, "c", "c"), "") << "onto itself";
  EXPECT_NE(link(tree, "e", "../a/b"), "");
  EXPECT_NE(link(tree, "e", "a"), "");
  EXPECT_NE(link(tree, "e", ""), "");
  EXPECT_NE(link(tree, "e", "nothing"), "");
  EXPECT_EQ(paths(tree), (Paths{"a/", "a/b", "c", "d"}));
  auto plan = Plan::make(tree);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->items.size(), 4U) << "root, a, b and lost+found";
  for (const Plan::Item& item : plan->items) {
    EXPECT_EQ(item.names, tree.at(item.node).is_file() ? 3U : 1U);
  }
}

TEST(ImageTree, AFolderOverAFolderKeepsItsNames) {
  Tree tree;
  EXPECT_EQ(put(tree, "a/b"), "");
  Node folder;
  folder.uid = 7;
  EXPECT_EQ(put(tree, "a", folder), "");
  EXPECT_EQ(paths(tree), (Paths{"a/", "a/b"}));
  EXPECT_EQ(tree.at(tree.at(Tree::kRoot).names.find("a")->second.node).uid, 7U);
  EXPECT_EQ(put(tree, "a"), "");
  EXPECT_EQ(paths(tree), (Paths{"a"}));
}

TEST(ImageTree, WhiteoutsHideLowerLayersOnly) {
  for (const bool first : {false, true}) {
    Tree tree;
    for (const char* path : {"d/low", "d/sub/low", "e/low", "f"}) EXPECT_EQ(put(tree, path), "");
    const auto hide = [&] {
      tree.hide_content("d", 1);
      tree.hide("e", 1);
      tree.hide("f", 1);
      tree.hide("nothing/at/all", 1);
    };
    if (first) hide();
    EXPECT_EQ(put(tree, "d/sub/new", file(), 1), "");
    EXPECT_EQ(put(tree, "e/new", file(), 1), "");
    if (!first) hide();
    EXPECT_EQ(paths(tree), (Paths{"d/", "d/sub/", "d/sub/new", "e/", "e/new"})) << first;
  }
}

TEST(ImageTree, HasLimits) {
  Tree tree({.names = 3, .text = 100});
  EXPECT_EQ(put(tree, "a/b/c"), "");
  EXPECT_NE(put(tree, "d"), "");
  Tree text({.names = 100, .text = 100});
  EXPECT_NE(put(text, std::string(101, 'x')), "");
  Tree any;
  EXPECT_NE(put(any, std::string(256, 'x')), "");
  EXPECT_NE(put(any, std::string_view("a\0b", 3)), "");
  EXPECT_NE(put(any, "l", symlink("")), "");
  EXPECT_NE(put(any, "l", symlink(std::string(4096, 'x'))), "");
  EXPECT_EQ(put(any, "l", symlink(std::string(4095, 'x'))), "");
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "d/";
  EXPECT_EQ(put(any, deep + "x"), "");
  EXPECT_NE(put(any, deep + deep), "");
}

TEST(ImagePlan, CountsFoldersAndSizes) {
  Tree tree;
  EXPECT_EQ(put(tree, "a/b/c"), "");
  EXPECT_EQ(put(tree, "a/d", Node{}), "");
  Node huge = file();
  huge.size = 1ULL << 36;
  auto plan = Plan::make(tree);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->items[0].inode, Plan::kRootInode);
  EXPECT_EQ(plan->items[0].folders, 2U) << "a and lost+found";
  EXPECT_EQ(plan->last_inode, Plan::kFirstInode + 4);
  EXPECT_TRUE(Shape::of(*plan, std::nullopt));
  EXPECT_FALSE(Shape::of(*plan, 1 << 20));
  EXPECT_FALSE(Shape::of(*plan, UINT64_MAX));
  EXPECT_EQ(Shape::of(*plan, (64 << 20) + 1)->bytes, 64U << 20);
  EXPECT_EQ(put(tree, "huge", huge), "");
  plan = Plan::make(tree);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(Shape::of(*plan, std::nullopt));
  EXPECT_TRUE(Shape::of(*plan, 8 << 20)) << "it may be all holes";
  huge.size = UINT64_MAX;
  EXPECT_EQ(put(tree, "huge", huge), "");
  EXPECT_FALSE(Plan::make(tree));
}

}  // namespace sandstone::image
