#include "spec/config.h"

#include <gtest/gtest.h>

#include <string>

namespace sandstone {
namespace {

Result<RunSpec> read(const std::string& text) {
  Draft draft;
  if (auto result = apply_config(text, "box.json", "/etc/boxes", draft); !result) return result.error();
  return finish(std::move(draft));
}

std::string refusal(const std::string& text) {
  auto spec = read(text);
  return spec ? "accepted" : spec.error().line();
}

// With a command, so that what is refused is the part in question.
std::string refusal_of(const std::string& members) {
  return refusal(R"({"command": ["true"], )" + members + "}");
}

// The same, applied as a flag would be.
Result<void> say(Draft& draft, const char* key, std::string_view value) {
  draft.layer = Layer::flags;
  draft.directory.clear();
  return apply_setting(draft, *find_key(key), value);
}

}  // namespace

TEST(Config, ReadsOurFields) {
  const auto spec = read(R"({
    "name": "n", "command": ["python3", "-c", "x"], "tier": "ns", "best_effort": true,
    "volume": ["./data:/data:ro"], "bind": [["/a:b", "/c"]], "ro_bind": [["e", "/d"]], "tmpfs": ["/t:64m"],
    "workdir": "/data", "env": {"A": "1", "B": ""}, "user": 7, "hostname": "h", "read_only": true,
    "memory": "64m", "cpu_percent": 150, "pids_limit": 50, "ulimit": ["nofile=10:20"], "disk": 104857600,
    "timeout": 1.5, "output_limit": "1k", "network": "user", "allow": ["example.org:443"], "publish": ["8080:80"]})");
  ASSERT_TRUE(spec) << spec.error().line();
  const RunSpec& s = spec.value();
  EXPECT_EQ(s.name, "n");
  EXPECT_EQ(s.argv, (std::vector<std::string>{"python3", "-c", "x"}));
  EXPECT_EQ(s.tier, Tier::ns);
  EXPECT_TRUE(s.best_effort);
  ASSERT_EQ(s.mounts.size(), 4);
  EXPECT_EQ(s.mounts[0].source, "/etc/boxes/data") << "relative to the file's folder, not the caller's";
  EXPECT_EQ(s.mounts[0].access, Access::read_only);
  EXPECT_EQ(s.mounts[1].source, "/a:b");
  EXPECT_EQ(s.mounts[2].source, "/etc/boxes/e");
  EXPECT_EQ(s.mounts[2].access, Access::read_only);
  EXPECT_EQ(s.mounts[3].size_bytes, 64U << 20);
  EXPECT_EQ(s.working_directory, "/data");
  EXPECT_EQ(s.environment, (std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", ""}}));
  EXPECT_EQ(s.user.value().uid, 7);
  EXPECT_EQ(s.user.value().gid, 7);
  EXPECT_EQ(s.hostname, "h");
  EXPECT_TRUE(s.read_only_root);
  EXPECT_EQ(s.limits.memory_bytes, 64U << 20);
  EXPECT_EQ(s.limits.cpus, 1.5);
  EXPECT_EQ(s.limits.pids, 50);
  EXPECT_EQ(s.limits.ulimits.at(0).hard, 20);
  EXPECT_EQ(s.limits.disk_bytes, 100U << 20);
  EXPECT_EQ(s.limits.timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(s.limits.output_bytes, 1024);
  EXPECT_EQ(s.network, Network::user);
  EXPECT_EQ(s.allow, std::vector<std::string>{"example.org:443"});
  EXPECT_EQ(s.forwards.at(0).host_port, 8080);
}

TEST(Config, ReadsZboxsFields) {
  const auto spec =
      read(R"({"name": "web", "binary": "/bin/sh", "args": ["-c", "id"], "root": "/srv/root", "cpu_cores": 2,
    "cpu_limit_percent": 50, "memory_limit_mb": 64, "network_access": true,
    "port_forwards": [{"host": 8080, "sandbox": 80}, "9090:90", {"host": 53, "sandbox": 53, "address": "0.0.0.0", "protocol": "udp"}]})");
  ASSERT_TRUE(spec) << spec.error().line();
  const RunSpec& s = spec.value();
  EXPECT_EQ(s.argv, (std::vector<std::string>{"/bin/sh", "-c", "id"}));
  EXPECT_EQ(s.rootfs, "/srv/root");
  EXPECT_EQ(s.limits.cpus, 0.5) << "both hold, so the smaller does";
  EXPECT_EQ(s.limits.memory_bytes, 64U << 20);
  EXPECT_EQ(s.network, Network::user);
  ASSERT_EQ(s.forwards.size(), 3);
  EXPECT_EQ(s.forwards[1].sandbox_port, 90);
  EXPECT_TRUE(s.forwards[2].udp);
  EXPECT_EQ(read(R"({"binary": "/bin/sh", "network_access": false})").value().network, Network::none);
}

TEST(Config, KeepsTheOrderOfMounts) {
  const auto spec = read(R"({"command": ["true"], "tmpfs": ["/a"], "mounts": [
    {"type": "bind", "source": "/x", "destination": "/a/b", "read_only": true},
    {"type": "tmpfs", "destination": "/a/b/c", "size": "1m"}], "volume": ["/y:/a/b/c/d"]})");
  ASSERT_TRUE(spec) << spec.error().line();
  std::string order;
  for (const auto& mount : spec.value().mounts) order += mount.destination + " ";
  EXPECT_EQ(order, "/a /a/b /a/b/c /a/b/c/d ");
}

TEST(Config, RefusesWithThePlace) {
  EXPECT_EQ(refusal("[]"), R"(box.json: /: must be an object ({"command": ["true"]}))");
  EXPECT_EQ(refusal_of(R"("memroy": 1)"), "box.json: /memroy: unknown key (did you mean 'memory'?)");
  EXPECT_EQ(refusal_of(R"("resources": {"memory": 1})"), "box.json: /resources: unknown key");
  EXPECT_EQ(refusal_of(R"("a/b~c": 1)"), "box.json: /a~1b~0c: unknown key");
  EXPECT_EQ(refusal_of(R"("memory": true)"),
            "box.json: /memory: must be a number of bytes or a string such as \"64m\"");
  EXPECT_EQ(refusal_of(R"("memory": -1)"),
            "box.json: /memory: must be a number of bytes or a string such as \"64m\"");
  EXPECT_EQ(refusal_of(R"("memory": "lots")"),
            "box.json: /memory: 'lots' is not a size (a number of bytes, or 64k, 256m, 1.5g)");
  EXPECT_EQ(refusal_of(R"("tier": "high")"),
            "box.json: /tier: 'high' is not a tier (none, ns, landlock, full or kernel)");
  EXPECT_EQ(refusal_of(R"("read_only": "yes")"), "box.json: /read_only: must be true or false");
  EXPECT_EQ(refusal_of(R"("volume": "/a:/b")"), "box.json: /volume: must be an array");
  EXPECT_EQ(refusal_of(R"("volume": ["/a:/b", "c:/d"])"),
            "box.json: /volume/1: 'c' is a name, and there are no named volumes (./c for a folder)");
  EXPECT_EQ(refusal_of(R"("volume": ["/a:b"])"),
            "box.json: /volume/0: the destination 'b' is not absolute (start it with /)");
  EXPECT_EQ(refusal_of(R"("bind": [["/a"]])"), "box.json: /bind/0: must be a pair ([\"SRC\", \"DST\"])");
  EXPECT_EQ(refusal_of(R"("env": {"A": 1})"),
            "box.json: /env/A: must be a string, or null for the caller's own value");
  EXPECT_EQ(refusal_of(R"("mounts": [{"type": "bind", "source": "/a", "destination": "/b", "mode": 1}])"),
            "box.json: /mounts/0/mode: unknown key");
  EXPECT_EQ(refusal_of(R"("mounts": [{"type": "nfs"}])"),
            "box.json: /mounts/0/type: must be there (\"bind\" or \"tmpfs\")");
  EXPECT_EQ(refusal_of(R"("network": "user", "port_forwards": [{"host": 0, "sandbox": 1}])"),
            "box.json: /port_forwards/0: '0' is not a port (1 to 65535)");
  EXPECT_EQ(refusal_of(R"("walls": [])"),
            "box.json: /walls: is empty (\"tier\": \"none\" for no walls at all)");
  EXPECT_EQ(refusal_of(R"("cpus": 0)"), "box.json: /cpus: '0' is out of range (0.01 to 4096)");
  EXPECT_EQ(refusal_of(R"("hostname": "")"), "box.json: /hostname: is empty (leave it out)");
}

TEST(Config, RefusesImpossibleCombinations) {
  EXPECT_EQ(refusal_of(R"("cpus": 1, "cpu_percent": 100)"),
            "box.json: /cpu_percent: cannot go with cpus (drop one of them)");
  EXPECT_EQ(refusal_of(R"("memory": 1, "memory_limit_mb": 1)"),
            "box.json: /memory_limit_mb: cannot go with memory (drop one of them)");
  EXPECT_EQ(refusal(R"({"command": ["a"], "binary": "b"})"),
            "box.json: /binary: cannot go with command (drop one of them)");
  EXPECT_EQ(refusal(R"({"command": ["a"], "args": ["b"]})"),
            "box.json: /args: has no meaning without binary (add binary, or use command)");
  EXPECT_EQ(refusal_of(R"("allow": ["example.org"])"),
            "box.json: /allow: has no meaning without a user network (add --network user)");
  EXPECT_EQ(refusal_of(R"("port_forwards": ["1:2"], "network_access": false)"),
            "box.json: /port_forwards: has no meaning without a user network (add --network user)");
  EXPECT_EQ(refusal_of(R"("timeout": 0)"), "box.json: /timeout: must be more than nothing");
  EXPECT_EQ(refusal_of(R"("memory": 1)"), "box.json: /memory: less than 1 MiB runs nothing");
  EXPECT_EQ(refusal_of(R"("tier": "none", "rootfs": "/r")"),
            "box.json: /rootfs: the tier none has no walls to carry this out (use --tier ns or higher)");
  EXPECT_EQ(refusal_of(R"("network": "user", "publish": ["1:2", "1:3"])"),
            "box.json: /publish: the host's port 1 is given twice (one forward for each)");
}

TEST(Config, FlagsComeOnTop) {
  Draft draft;
  ASSERT_TRUE(apply_config(
      R"({"command": ["true"], "memory": "64m", "cpu_percent": 50, "tier": "ns", "allow": ["a.org"],
                               "network": "user", "env": {"A": "file", "B": "file"}})",
      "box.json", "/", draft));
  ASSERT_TRUE(say(draft, "memory", "128m"));
  ASSERT_TRUE(say(draft, "cpus", "2")) << "a rival only within one layer";
  ASSERT_TRUE(say(draft, "allow", "b.org"));
  ASSERT_TRUE(say(draft, "env", "A=flag"));
  const auto spec = finish(std::move(draft));
  ASSERT_TRUE(spec) << spec.error().line();
  EXPECT_EQ(spec.value().limits.memory_bytes, 128U << 20);
  EXPECT_EQ(spec.value().limits.cpus, 2);
  EXPECT_EQ(spec.value().tier, Tier::ns);
  EXPECT_EQ(spec.value().allow, (std::vector<std::string>{"a.org", "b.org"}));
  EXPECT_EQ(spec.value().environment,
            (std::vector<std::pair<std::string, std::string>>{{"A", "flag"}, {"B", "file"}}));
}

TEST(Config, ATerminalTakesInputOnlyWhenAskedTo) {
  EXPECT_TRUE(read(R"({"command": ["true"]})").value().interactive);
  EXPECT_FALSE(read(R"({"command": ["true"], "terminal": true})").value().interactive);
  EXPECT_TRUE(read(R"({"command": ["true"], "terminal": true, "interactive": true})").value().interactive);
  EXPECT_FALSE(read(R"({"command": ["true"], "interactive": false})").value().interactive);
}

TEST(Config, PrintedAndReadAgainItIsTheSame) {
  const auto spec = read(
      R"({"command": ["a", "", "\u00fc \" \\"], "cpus": 0.333, "timeout": "1ms", "memory": 4503599627370497,
    "mounts": [{"type": "tmpfs", "destination": "/t"}, {"type": "bind", "source": "/a:b c", "destination": "/d:e"}],
    "env": {"A": "x=y\nz"}, "ulimit": ["stack=unlimited"], "user": "1:2", "network": "user", "publish": ["1.2.3.4:5:6/udp"],
    "rootfs": "/r", "save": "/s", "walls": ["user", "mount"], "terminal": true})");
  ASSERT_TRUE(spec) << spec.error().line();
  auto printed = print_config(spec.value());
  ASSERT_TRUE(printed);
  const auto again = read(printed.value());
  ASSERT_TRUE(again) << again.error().line();
  EXPECT_EQ(print_config(again.value()).value(), printed.value());
  EXPECT_NE(printed.value().find("4503599627370497"), std::string::npos) << "every byte counts";
  EXPECT_EQ(again.value().mounts.at(1).source, "/a:b c");
  EXPECT_EQ(again.value().mounts.at(1).destination, "/d:e");
  EXPECT_EQ(again.value().limits.cpus, 0.333);
}

TEST(Config, WillNotPrintWhatJsonCannotSay) {
  EXPECT_FALSE(print_config(RunSpec::command({"a\xff"})));
}

}  // namespace sandstone
