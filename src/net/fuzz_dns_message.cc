// libFuzzer: any bytes as a DNS query, over both transports, with answers of any number.
#include <cstdlib>

#include "net/dns_message.h"

using namespace sandstone::net;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t addresses = data[0] % 80;
  const auto query = parse_dns_query(std::span(data + 1, size - 1));
  if (!query) return 0;
  must(query->question.size() <= 255 + 4 && query->name.size() <= 254);
  must(query->reply_limit >= kDnsPlainReply && query->reply_limit <= kDnsMaxReply);
  DnsReply reply;
  reply.status = query->status;
  reply.refused_by_policy = addresses % 2 == 0;
  if (query->type == kDnsTypeA || query->type == kDnsTypeAaaa) {
    Address address;
    address.v6 = query->type == kDnsTypeAaaa;
    reply.addresses.assign(addresses, address);
  }
  for (const size_t limit : {query->reply_limit, kDnsMaxReply}) {
    const auto out = build_dns_reply(*query, reply, limit);
    must(out.size() <= limit && out.size() >= 12);
    must(!parse_dns_query(out));  // a reply is never taken for a query
  }
  return 0;
}
