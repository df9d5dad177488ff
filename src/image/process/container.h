// A container image: which layers and which config it has, read from the JSON of an OCI image layout
// (OCI image specification 1.1) or of `docker save`.
#pragma once

#include <sandstone/image.h>

#include <string>
#include <string_view>
#include <vector>

#include "image/process/blobs.h"
#include "image/process/layers.h"

namespace sandstone::image {

struct Platform {
  std::string os = "linux";
  std::string architecture;
  std::string variant;  // empty: any

  static Result<Platform> parse(std::string_view text);  // "OS/ARCHITECTURE[/VARIANT]"; empty: this machine's
  [[nodiscard]] std::string text() const;
};

struct Container {
  std::vector<Layer> layers;
  ImageConfig config;
};

// Which image is meant: `name` is NAME[:TAG], or empty if there is one only.
struct Choice {
  std::string name;
  Platform platform;
};

Result<Container> read_container(Blobs& blobs, const Choice& choice);

// Whether an image that calls itself `known` is meant by `wanted`: "alpine" is
// "docker.io/library/alpine:latest".
bool same_image(std::string_view known, std::string_view wanted);

}  // namespace sandstone::image
