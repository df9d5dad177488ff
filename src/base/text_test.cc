#include "base/text.h"

#include <gtest/gtest.h>
#include <sandstone/result.h>

namespace sandstone {

TEST(EscapeForTerminal, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(escape_for_terminal("/home/user/a b.txt"), "/home/user/a b.txt");
  EXPECT_EQ(escape_for_terminal("gr\u00fc\u00df \u4f60\u597d \U0001f600"),
            "gr\u00fc\u00df \u4f60\u597d \U0001f600");
}

TEST(EscapeForTerminal, DisarmsEverythingThatDrivesATerminal) {
  EXPECT_EQ(escape_for_terminal("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
  EXPECT_EQ(escape_for_terminal("a\nb\rc\td"), "a\\x0ab\\x0dc\\x09d");
  EXPECT_EQ(escape_for_terminal("\xc2\x9b"
                                "2J"),
            "\\xc2\\x9b2J")
      << "C1 control sequence introducer in UTF-8";
  // NOLINTNEXTLINE(misc-misleading-bidirectional): what it is about
  EXPECT_EQ(escape_for_terminal("\u202egpj.exe"), "\\xe2\\x80\\xaegpj.exe") << "right-to-left override";
  EXPECT_EQ(escape_for_terminal("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(escape_for_terminal("\xe2\x82"), "\\xe2\\x82") << "cut off";
  EXPECT_EQ(escape_for_terminal("\\x1b"), "\\\\x1b") << "an escaped text must not pass for the real thing";
  EXPECT_EQ(escape_for_terminal(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Error, IsOneLine) {
  EXPECT_EQ((Error{"--tier", "no tier\nnonsense", "none, ns, landlock or full"}).line(),
            "--tier: no tier\\x0anonsense (none, ns, landlock or full)");
}

}  // namespace sandstone
