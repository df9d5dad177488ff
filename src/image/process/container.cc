#include "image/process/container.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <optional>

#include "image/config.h"
#include "image/process/json_text.h"

namespace sandstone::image {
namespace {

using nlohmann::json;

constexpr size_t kMostLayers = 1000;
constexpr int kDeepestIndex = 4;

Result<json> read_json(Blobs& blobs, const std::string& path) {
  auto text = blobs.text(path);
  if (!text) return text.error();
  json document = json::parse(*text, nullptr, false);
  if (document.is_discarded()) return Error{path, "is not JSON", "the image is damaged: fetch it again"};
  return document;
}

// Where an OCI layout keeps a digest's blob. Only what is a digest becomes part of a path.
Result<std::string> blob_path(const std::string& digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  const std::string_view hex = std::string_view(digest).substr(std::min(digest.size(), kAlgorithm.size()));
  if (!digest.starts_with(kAlgorithm) || hex.size() != 64 ||
      hex.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return Error{"digest", fmt::format("'{}' is not a sha256 digest", digest),
                 "no other kind can be checked"};
  return fmt::format("blobs/sha256/{}", hex);
}

// The blob of a descriptor (OCI "descriptor.md"), of the size that this says.
Result<Layer> open_blob(Blobs& blobs, const json& descriptor) {
  Layer layer;
  layer.digest = text_member(descriptor, "digest");
  auto path = blob_path(layer.digest);
  if (!path) return path.error();
  layer.label = *path;
  auto range = blobs.open(*path);
  if (!range) return range.error();
  const json& size = member(descriptor, "size");
  if (size.is_number_unsigned() && size.get<uint64_t>() != range->size)
    return Error{*path, fmt::format("has {} bytes, not {}", range->size, size.get<uint64_t>()),
                 "it is damaged or was tampered with: fetch the image again"};
  layer.range = *range;
  return layer;
}

Result<json> read_descriptor(Blobs& blobs, const json& descriptor) {
  auto blob = open_blob(blobs, descriptor);
  if (!blob) return blob.error();
  if (auto same = verify(blob->range, blob->digest, blob->label); !same) return same.error();
  return read_json(blobs, blob->label);
}

bool is_platform(const json& object, const Platform& wanted) {
  const std::string variant = text_member(object, "variant");
  return text_member(object, "os") == wanted.os &&
         text_member(object, "architecture") == wanted.architecture &&
         (wanted.variant.empty() || variant.empty() || variant == wanted.variant);
}

std::vector<std::string> names_of(const json& descriptor) {
  std::vector<std::string> names;
  const json& annotations = member(descriptor, "annotations");
  for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"})
    if (const std::string name = text_member(annotations, key); !name.empty()) names.push_back(name);
  return names;
}

Error unknown_image(const std::string& wanted, std::vector<std::string> known) {
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  constexpr size_t kShown = 10;
  const bool more = known.size() > kShown;
  if (more) known.resize(kShown);
  const std::string list = fmt::format("{}{}", fmt::join(known, ", "), more ? ", …" : "");
  if (wanted.empty()) return Error{"--image", "there are several images, and none is named", list};
  return Error{"--image", fmt::format("there is no image '{}'", wanted),
               known.empty() ? "none has a name: leave it out" : list};
}

// Goes down from an index to the one manifest that is meant.
Result<json> find_manifest(Blobs& blobs, json index, const Choice& choice) {
  bool by_name = true;  // names stand in the outermost index only
  for (int depth = 0; depth < kDeepestIndex; ++depth) {
    std::vector<json> fitting;
    std::vector<std::string> known;
    std::vector<std::string> platforms;
    for (const json& descriptor : member(index, "manifests")) {
      const auto names = names_of(descriptor);
      known.insert(known.end(), names.begin(), names.end());
      const auto meant = [&](const std::string& name) { return same_image(name, choice.name); };
      if (by_name && !choice.name.empty() && std::none_of(names.begin(), names.end(), meant)) continue;
      const json& platform = member(descriptor, "platform");
      if (platform.is_object() && !is_platform(platform, choice.platform)) {
        platforms.push_back(
            fmt::format("{}/{}", text_member(platform, "os"), text_member(platform, "architecture")));
        continue;
      }
      fitting.push_back(descriptor);
    }
    if (fitting.empty() && !platforms.empty())
      return Error{"--platform", fmt::format("there is no image for {}", choice.platform.text()),
                   fmt::format("{}", fmt::join(platforms, ", "))};
    if (fitting.empty() && (!by_name || choice.name.empty()))
      return Error{"index.json", "lists no image", {}};
    const auto other = [&](const json& one) {
      return text_member(one, "digest") != text_member(fitting[0], "digest");
    };
    if (fitting.empty() || (by_name && std::any_of(fitting.begin(), fitting.end(), other)))
      return unknown_image(choice.name, known);
    auto document = read_descriptor(blobs, fitting[0]);
    if (!document) return document;
    if (!member(*document, "manifests").is_array()) return document;
    index = std::move(*document);
    by_name = false;
  }
  return Error{"index.json", fmt::format("leads through more than {} indexes", kDeepestIndex), {}};
}

// The config's own words, and the digests of the unpacked layers, which are as many as there are layers.
Result<Container> with_config(const json& config, const std::string& where, std::vector<Layer> layers,
                              const Choice& choice) {
  const Platform& wanted = choice.platform;
  if (!is_platform(config, wanted) &&
      !(wanted.variant.empty() && text_member(config, "architecture").empty()))
    return Error{"--platform",
                 fmt::format("the image is for {}/{}, not {}", text_member(config, "os"),
                             text_member(config, "architecture"), wanted.text()),
                 "name the platform that it is for"};
  const json& diff_ids = member(member(config, "rootfs"), "diff_ids");
  if (!diff_ids.is_array() || diff_ids.size() != layers.size())
    return Error{where,
                 fmt::format("tells the digests of {} layers, and there are {}",
                             diff_ids.is_array() ? diff_ids.size() : 0, layers.size()),
                 {}};
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!diff_ids[i].is_string()) return Error{where, "a layer's digest is no text", {}};
    layers[i].diff_id = diff_ids[i].get<std::string>();
    if (layers[i].diff_id.empty()) return Error{where, "a layer's digest is empty", {}};
  }
  const json& run = member(config, "config");
  auto read = run.is_null() ? ImageConfig{} : config_from(run, where);
  if (!read) return read.error();
  return Container{std::move(layers), std::move(*read)};
}

Result<Container> read_layout(Blobs& blobs, const Choice& choice) {
  auto index = read_json(blobs, "index.json");
  if (!index) return index.error();
  auto manifest = find_manifest(blobs, std::move(*index), choice);
  if (!manifest) return manifest.error();
  auto config = read_descriptor(blobs, member(*manifest, "config"));
  if (!config) return config.error();
  std::vector<Layer> layers;
  const json& listed = member(*manifest, "layers");
  if (!listed.is_array()) return Error{"manifest", "lists no layers", {}};
  if (listed.size() > kMostLayers)
    return Error{"manifest", fmt::format("lists more than {} layers", kMostLayers), {}};
  for (const json& descriptor : listed) {
    auto layer = open_blob(blobs, descriptor);
    if (!layer) return layer.error();
    layers.push_back(std::move(*layer));
  }
  return with_config(*config, text_member(member(*manifest, "config"), "digest"), std::move(layers), choice);
}

Result<Container> read_docker(Blobs& blobs, const Choice& choice) {
  constexpr const char* kManifest = "manifest.json";
  auto manifest = read_json(blobs, kManifest);
  if (!manifest) return manifest.error();
  if (!manifest->is_array() || manifest->empty()) return Error{kManifest, "lists no image", {}};
  std::vector<json> fitting;
  std::vector<std::string> known;
  for (const json& image : *manifest) {
    bool meant = choice.name.empty();
    for (const json& tag : member(image, "RepoTags"))
      if (tag.is_string()) {
        known.push_back(tag.get<std::string>());
        meant = meant || same_image(known.back(), choice.name);
      }
    if (meant) fitting.push_back(image);
  }
  if (fitting.size() != 1) return unknown_image(choice.name, known);
  // The name of the config is its digest, and it holds those of the layers: so all is checked.
  const std::string path = text_member(fitting[0], "Config");
  auto range = blobs.open(path);
  if (!range) return range.error();
  std::string hex = path.substr(path.rfind('/') + 1);
  if (hex.ends_with(".json")) hex.resize(hex.size() - 5);
  if (auto same = verify(*range, "sha256:" + hex, path); !same) return same.error();
  auto config = read_json(blobs, path);
  if (!config) return config.error();
  std::vector<Layer> layers;
  for (const json& layer : member(fitting[0], "Layers")) {
    if (!layer.is_string() || layers.size() >= kMostLayers)
      return Error{kManifest, "the list of layers is damaged", {}};
    auto opened = blobs.open(layer.get<std::string>());
    if (!opened) return opened.error();
    layers.push_back({layer.get<std::string>(), *opened, {}, {}});
  }
  return with_config(*config, path, std::move(layers), choice);
}

// "alpine": "docker.io/library/alpine:latest", as docker completes names.
std::string full_name(std::string_view name) {
  std::string full(name);
  const size_t slash = full.find('/');
  const std::string first = full.substr(0, slash == std::string::npos ? 0 : slash);
  if (slash == std::string::npos)
    full.insert(0, "docker.io/library/");
  else if (first.find_first_of(".:") == std::string::npos && first != "localhost")
    full.insert(0, "docker.io/");
  if (full.find_first_of(":@", full.rfind('/')) == std::string::npos) full += ":latest";
  return full;
}

}  // namespace

bool same_image(std::string_view known, std::string_view wanted) {
  return known == wanted || full_name(known) == full_name(wanted);
}

Result<Platform> Platform::parse(std::string_view text) {
  Platform platform;
  if (text.empty()) {
    utsname host{};
    ::uname(&host);
    platform.architecture = host.machine;
    if (platform.architecture == "x86_64") platform.architecture = "amd64";
    if (platform.architecture == "aarch64") platform.architecture = "arm64";
    return platform;
  }
  const size_t first = text.find('/');
  const size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
  platform.os = text.substr(0, first);
  if (first != std::string_view::npos) platform.architecture = text.substr(first + 1, second - first - 1);
  if (second != std::string_view::npos) platform.variant = text.substr(second + 1);
  if (platform.os.empty() || platform.architecture.empty() ||
      platform.variant.find('/') != std::string::npos ||
      (second != std::string_view::npos && platform.variant.empty()))
    return Error{"--platform", fmt::format("'{}' is not OS/ARCHITECTURE[/VARIANT]", text),
                 "for example linux/amd64"};
  return platform;
}

std::string Platform::text() const {
  return fmt::format("{}/{}{}{}", os, architecture, variant.empty() ? "" : "/", variant);
}

Result<Container> read_container(Blobs& blobs, const Choice& choice) {
  // Docker 25 and later write both into one archive. Its own names images better.
  if (blobs.has("manifest.json")) return read_docker(blobs, choice);
  if (blobs.has("index.json")) return read_layout(blobs, choice);
  return Error{{},
               "is neither an OCI image layout nor an archive of docker save",
               "'sandstone image build' takes plain folders and archives"};
}

}  // namespace sandstone::image
