// An image's config: as JSON in the OCI specification's own keys, and where it stands in the image.
//
// It lies behind the file system, in the last 64 KiB of the image file: "sandstone-config" (16 bytes), the
// text's length (32 bits, little-endian), the text, zeros. There it goes wherever the image goes, no file of
// the guest's can collide with it, and it is read without a parser of ext4. To ext4 it is the end of a disk
// that is larger than the file system.
#pragma once

#include <sandstone/image.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace sandstone::image {

inline constexpr size_t kConfigArea = 64 << 10;

// {"Entrypoint": [...], "Cmd": [...], "Env": [...], "WorkingDir": "", "User": ""}: the object `config` of an
// OCI image's configuration. A key that is absent or null is empty; one of the wrong kind is an error.
Result<ImageConfig> config_from(const nlohmann::json& object, const std::string& where);
Result<ImageConfig> parse_config(std::string_view text, const std::string& where);
std::string config_text(const ImageConfig& config);

// The area's bytes. An Error if the text is too long.
Result<std::string> config_area(const ImageConfig& config);

}  // namespace sandstone::image
