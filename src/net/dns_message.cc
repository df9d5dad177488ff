#include "net/dns_message.h"

#include <algorithm>

namespace sandstone::net {
namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kFlagReply = 0x8000;
constexpr uint16_t kFlagTruncated = 0x0200;
constexpr uint16_t kFlagRecursionDesired = 0x0100;
constexpr uint16_t kFlagRecursionAvailable = 0x0080;
constexpr uint16_t kTypeOpt = 41;
constexpr uint16_t kOptionExtendedError = 15;
constexpr uint16_t kExtendedErrorProhibited = 18;

// Reads front to back; every read past the end fails and stays failed.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint8_t u8() {
    if (position_ >= bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return bytes_[position_++];
  }
  uint16_t u16() {
    const uint8_t high = u8();
    return static_cast<uint16_t>(high << 8 | u8());
  }
  void skip(size_t count) {
    if (count > bytes_.size() - position_) {
      failed_ = true;
      position_ = bytes_.size();
    } else {
      position_ += count;
    }
  }
  // A name as queries hold it: labels, no compression pointer (RFC 1035 allows one only to what came before,
  // and before the question there is nothing).
  std::string name() {
    std::string out;
    size_t length = 0;
    for (;;) {
      const uint8_t label = u8();
      if (failed_ || label == 0) return out;
      length += label + 1U;
      if (label > 63 || length > 254) {
        failed_ = true;
        return {};
      }
      if (!out.empty()) out += '.';
      for (uint8_t i = 0; i < label; ++i) {
        const auto c = static_cast<char>(u8());
        // A dot inside a label would make one name look like another.
        if (c == '.') failed_ = true;
        out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
      if (failed_) return {};
    }
  }

  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool failed_ = false;
};

class Writer {
 public:
  void u8(uint8_t value) { bytes.push_back(value); }
  void u16(uint16_t value) {
    u8(static_cast<uint8_t>(value >> 8));
    u8(static_cast<uint8_t>(value));
  }
  void u32(uint32_t value) {
    u16(static_cast<uint16_t>(value >> 16));
    u16(static_cast<uint16_t>(value));
  }
  std::vector<uint8_t> bytes;
};

// Finds the client's EDNS record. False if the records do not add up.
bool read_additional(Reader& reader, unsigned count, DnsQuery* query) {
  for (unsigned i = 0; i < count; ++i) {
    const std::string name = reader.name();
    const uint16_t type = reader.u16();
    const uint16_t klass = reader.u16();
    reader.skip(4);
    reader.skip(reader.u16());
    if (reader.failed()) return false;
    if (type != kTypeOpt) continue;
    if (!name.empty() || query->edns) return false;  // RFC 6891: the root's, and one only
    query->edns = true;
    query->reply_limit = std::clamp<size_t>(klass, kDnsPlainReply, kDnsMaxReply);
  }
  return true;
}

}  // namespace

std::optional<DnsQuery> parse_dns_query(std::span<const uint8_t> message) {
  if (message.size() < kHeader) return std::nullopt;
  Reader reader(message);
  DnsQuery query;
  query.id = reader.u16();
  const uint16_t flags = reader.u16();
  if (flags & kFlagReply) return std::nullopt;
  query.recursion_desired = (flags & kFlagRecursionDesired) != 0;
  const uint16_t questions = reader.u16();
  const uint16_t answers = reader.u16();
  const uint16_t authorities = reader.u16();
  const uint16_t additional = reader.u16();
  if ((flags >> 11 & 0xf) != 0) {
    query.status = DnsStatus::not_implemented;
    return query;
  }
  query.status = DnsStatus::format_error;
  if (message.size() > kDnsMaxQuery || questions != 1 || answers != 0 || authorities != 0 || additional > 4)
    return query;
  std::string name = reader.name();
  const uint16_t type = reader.u16();
  const uint16_t klass = reader.u16();
  if (reader.failed()) return query;
  query.question.assign(message.begin() + kHeader,
                        message.begin() + static_cast<ptrdiff_t>(reader.position()));
  query.name = std::move(name);
  query.type = type;
  query.klass = klass;
  if (read_additional(reader, additional, &query)) query.status = DnsStatus::ok;
  return query;
}

std::vector<uint8_t> build_dns_reply(const DnsQuery& query, const DnsReply& reply, size_t limit) {
  const size_t opt_size = !query.edns ? 0 : reply.refused_by_policy ? 11 + 6 : 11;
  const size_t record_size = 12 + (query.type == kDnsTypeA ? 4 : 16);
  const size_t fixed = kHeader + query.question.size() + opt_size;
  const size_t room = limit > fixed ? (limit - fixed) / record_size : 0;
  const size_t count = std::min(room, reply.addresses.size());

  Writer out;
  out.u16(query.id);
  uint16_t flags = kFlagReply | kFlagRecursionAvailable | static_cast<uint16_t>(reply.status);
  if (query.recursion_desired) flags |= kFlagRecursionDesired;
  if (count < reply.addresses.size()) flags |= kFlagTruncated;
  out.u16(flags);
  out.u16(query.question.empty() ? 0 : 1);
  out.u16(static_cast<uint16_t>(count));
  out.u16(0);
  out.u16(query.edns ? 1 : 0);
  out.bytes.insert(out.bytes.end(), query.question.begin(), query.question.end());
  for (size_t i = 0; i < count; ++i) {
    const Address& address = reply.addresses[i];
    out.u16(0xc000 | kHeader);  // the question's name
    out.u16(query.type);
    out.u16(query.klass);
    out.u32(reply.ttl);
    out.u16(static_cast<uint16_t>(address.bits() / 8));
    out.bytes.insert(out.bytes.end(), address.bytes.begin(), address.bytes.begin() + address.bits() / 8);
  }
  if (query.edns) {
    out.u8(0);
    out.u16(kTypeOpt);
    out.u16(kDnsMaxReply);
    out.u32(0);
    if (reply.refused_by_policy) {
      out.u16(6);
      out.u16(kOptionExtendedError);
      out.u16(2);
      out.u16(kExtendedErrorProhibited);
    } else {
      out.u16(0);
    }
  }
  return out.bytes;
}

}  // namespace sandstone::net
