#include "image/process/layers.h"

#include <fmt/format.h>

#include <optional>

namespace sandstone::image {
namespace {

constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kReserved = ".wh..wh.";  // aufs's own: taken by nobody

// "where" is the layer and, in it, the entry.
Error in_layer(Error error, const std::string& label, const std::string& entry) {
  const std::string& inner = error.where.empty() ? entry : error.where;
  error.where = inner.empty() ? label : fmt::format("{}: {}", label, inner);
  return error;
}

Result<void> compare(const std::string& expected, Sha256& hash, const std::string& label, const char* what) {
  if (expected.empty()) return {};
  const std::string found = hash.hex();
  if (expected == fmt::format("{}{}", kAlgorithm, found)) return {};
  return Error{label, fmt::format("{} has the digest {}{}, not {}", what, kAlgorithm, found, expected),
               "it is damaged or was tampered with: fetch the image again"};
}

Result<void> check_algorithm(const std::string& digest, const std::string& label) {
  if (digest.empty() || (digest.starts_with(kAlgorithm) && digest.size() == kAlgorithm.size() + 64))
    return {};
  return Error{label, fmt::format("'{}' is not a sha256 digest", digest), "no other kind can be checked"};
}

}  // namespace

Result<void> verify(const FileRange& range, const std::string& digest, const std::string& label) {
  if (auto known = check_algorithm(digest, label); !known || digest.empty()) return known;
  Sha256 hash;
  RangeSource source(range, &hash);
  if (auto read = drain(source); !read) return in_layer(read.error(), label, {});
  return compare(digest, hash, label, "the blob");
}

Result<void> Layers::read_layer(uint32_t number, const Each& each, uint64_t& left) {
  const Layer& layer = layers_[number];
  const auto wrong = [&](const Error& error, const std::string& entry) {
    return in_layer(error, layer.label, entry);
  };
  auto packing = packing_of(layer.range);
  if (!packing) return wrong(packing.error(), {});
  if (auto known = check_algorithm(layer.diff_id, layer.label); !known) return known;
  Sha256 blob;
  Sha256 unpacked;
  auto unpacker =
      Unpacker::open(std::make_unique<RangeSource>(layer.range, layer.digest.empty() ? nullptr : &blob),
                     *packing, left, layer.diff_id.empty() ? nullptr : &unpacked);
  if (!unpacker) return wrong(unpacker.error(), {});
  auto reader = TarReader::open(**unpacker);
  if (!reader) return wrong(reader.error(), {});
  for (uint64_t entry = 0;; ++entry) {
    auto more = (*reader)->next();
    if (!more) return wrong(more.error(), {});
    if (!*more) break;
    if (auto done = each(**reader, number, entry); !done) return wrong(done.error(), (*reader)->path());
  }
  if (auto rest = drain(**unpacker); !rest) return wrong(rest.error(), {});
  left -= std::min(left, (*unpacker)->unpacked());
  // Checked again when the content is copied: the file may have been changed since the scan.
  if (auto same = compare(layer.digest, blob, layer.label, "the blob"); !same) return same;
  return compare(layer.diff_id, unpacked, layer.label, "the unpacked layer");
}

Result<void> Layers::read(const Each& each) {
  uint64_t left = options_.most;
  for (uint32_t number = 0; number < layers_.size(); ++number)
    if (auto done = read_layer(number, each, left); !done) return done;
  return {};
}

Result<void> Layers::scan(Tree& tree) {
  // All digests first: what is not what it says is not even parsed.
  for (const Layer& layer : layers_)
    if (auto same = verify(layer.range, layer.digest, layer.label); !same) return same;
  return read(
      [&](TarReader& reader, uint32_t layer, uint64_t entry) { return apply(tree, reader, layer, entry); });
}

Result<void> Layers::apply(Tree& tree, TarReader& reader, uint32_t layer, uint64_t entry) const {
  const std::string& path = reader.path();
  if (options_.whiteouts) {
    std::string_view trimmed(path);
    while (trimmed.ends_with('/')) trimmed.remove_suffix(1);
    const size_t slash = trimmed.rfind('/');
    const std::string folder(trimmed.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
    const std::string_view name = slash == std::string_view::npos ? trimmed : trimmed.substr(slash + 1);
    if (name == kOpaque) {
      tree.hide_content(folder, layer);
      return {};
    }
    if (name.starts_with(kReserved)) return {};
    if (name.starts_with(kWhiteout)) {
      const std::string_view hidden = name.substr(kWhiteout.size());
      if (hidden.empty() || hidden == "." || hidden == "..")
        return Error{{}, "is a whiteout of nothing", "the layer is damaged or hostile"};
      tree.hide(fmt::format("{}{}", folder, hidden), layer);
      return {};
    }
  }
  if (!reader.hard_link().empty()) return tree.link(path, reader.hard_link(), layer);
  auto node = reader.node();
  if (!node) return node.error();
  options_.owners.apply(*node);
  node->entry = node->is_file() ? entry : Node::kNoEntry;
  auto put = tree.put(path, std::move(*node), layer);
  return put ? Result<void>() : put.error();
}

Result<void> Layers::copy(ContentSink& sink) {
  return read([&](TarReader& reader, uint32_t layer, uint64_t entry) -> Result<void> {
    auto wanted = sink.begin(layer, entry);
    if (!wanted) return wanted.error();
    if (!*wanted) return {};
    auto copied = reader.content(
        [&](uint64_t offset, std::span<const std::byte> bytes) { return sink.write(offset, bytes); });
    if (!copied) return copied;
    return sink.end();
  });
}

}  // namespace sandstone::image
