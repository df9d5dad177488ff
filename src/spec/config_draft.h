// Draft: a RunSpec in the making, put together from a config file first and flags after it, and the table of
// all settings, each with one name, one meaning and one reader for both.
#pragma once

#include <sandstone/run_spec.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandstone {

enum class Layer : uint8_t { file, flags };

struct Setting;

struct Draft {
  RunSpec spec;
  std::optional<bool> interactive;  // not said: as RunSpec's default, but not with a terminal
  std::string user;                 // as written; looked up in the root's own passwd file by finish()

  // In each layer, env_file comes before env, whatever their order: docker's rule.
  struct Variables {
    std::vector<std::string> files;
    std::vector<std::pair<std::string, std::string>> named;
  };
  Variables variables[2];

  // The layer that is being read.
  Layer layer = Layer::flags;
  std::string file;       // Layer::file: its name, for the place of an error
  std::string directory;  // where relative host paths start; empty: the caller's working directory

  // Who set what, so that a second voice in one layer is noticed and a late error names the right place.
  struct Origin {
    const Setting* setting;
    Layer layer;
  };
  std::vector<Origin> origins;
};

enum class Group : uint8_t { walls, view, limits, network, terminal, output };

// One option of a command line.
struct Flag {
  std::string_view name;   // without the dashes; empty: there is no flag
  char letter = 0;         // 0: no short form
  uint8_t values = 0;      // 0: a switch, which may be written --name=false
  std::string_view value;  // what the help calls the value
  std::string_view help;
  Group group = Group::walls;
};

// The JSON that a key takes.
enum class Shape : uint8_t {
  toggle,
  text,
  size,
  duration,
  count,
  number,
  id,
  list,
  pairs,
  variables,
  ports,
  mounts,
  words
};

struct Setting {
  std::string_view key;   // in a config file
  std::string_view slot;  // what it sets: of two settings for one slot, one layer may use only one
  Shape shape;
  bool zbox = false;  // a field of zbox's: may stand beside others of zbox's for the same slot
  // Reads one value, or one element of a list. `second` is used by pairs only; a toggle's text is true or
  // false.
  Result<void> (*apply)(Draft& draft, std::string_view value, std::string_view second) = nullptr;
  Flag flag;
};

std::span<const Setting> settings();
const Setting* find_key(std::string_view key);

// Applies one value in the draft's present layer, as often as there are values. The Error's place is left
// empty.
Result<void> apply_setting(Draft& draft, const Setting& setting, std::string_view value,
                           std::string_view second = {});

// "--memory", "FILE: /memory": how the one who wrote the setting knows it.
std::string place_of(const Draft& draft, const Draft::Origin& origin);

// Reads what the settings refer to (env files, the passwd file), checks the whole, and gives the place of an
// error in the words of whoever caused it.
Result<RunSpec> finish(Draft draft);

}  // namespace sandstone
