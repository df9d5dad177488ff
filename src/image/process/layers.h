// Layers: tar archives, one upon the other.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image/process/content.h"
#include "image/process/source.h"
#include "image/process/tar_reader.h"

namespace sandstone::image {

struct Layer {
  std::string label;  // how errors call it
  FileRange range;
  std::string digest;   // "sha256:…" of the bytes as they are stored; empty: not known
  std::string diff_id;  // the same of the unpacked archive
};

// An Error that names `label` if the range has another digest, or one that is no sha256. Empty: nothing to
// check.
Result<void> verify(const FileRange& range, const std::string& digest, const std::string& label);

class Layers final : public Content {
 public:
  struct Options {
    bool whiteouts = false;       // the names that begin with ".wh." take something away
    uint64_t most = 64ULL << 30;  // bytes that all layers together may unpack to
    Owners owners;
  };
  Layers(std::vector<Layer> layers, Options options) : layers_(std::move(layers)), options_(options) {}

  Result<void> scan(Tree& tree) override;
  Result<void> copy(ContentSink& sink) override;

 private:
  using Each = std::function<Result<void>(TarReader& reader, uint32_t layer, uint64_t entry)>;
  Result<void> read(const Each& each);
  Result<void> read_layer(uint32_t number, const Each& each, uint64_t& left);
  Result<void> apply(Tree& tree, TarReader& reader, uint32_t layer, uint64_t entry) const;

  std::vector<Layer> layers_;
  Options options_;
};

}  // namespace sandstone::image
