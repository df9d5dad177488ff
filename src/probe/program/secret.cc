#include "probe/program/secret.h"

#include <sys/random.h>

#include <cstdlib>
#include <cstring>

namespace sandstone::probe_program {

std::string make_secret() {
  unsigned char bytes[kSecretDigits / 2];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) std::abort();
  std::string secret = kSecretPrefix;
  for (const unsigned char byte : bytes) {
    secret += "0123456789abcdef"[byte >> 4];
    secret += "0123456789abcdef"[byte & 15];
  }
  return secret;
}

uint64_t fingerprint(const std::string& data) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char byte : data) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  return hash;
}

bool contains_secret(const std::string& data, uint64_t secret_fingerprint) {
  constexpr size_t kLength = sizeof kSecretPrefix - 1 + kSecretDigits;
  for (size_t at = data.find(kSecretPrefix); at != std::string::npos; at = data.find(kSecretPrefix, at + 1))
    if (at + kLength <= data.size() && fingerprint(data.substr(at, kLength)) == secret_fingerprint)
      return true;
  return false;
}

}  // namespace sandstone::probe_program
