// Secrets that the canary plants, and the fingerprints by which they are recognised.
#pragma once

#include <cstdint>
#include <string>

namespace sandstone::probe_program {

inline constexpr char kSecretPrefix[] = "sandstone-secret:";
inline constexpr size_t kSecretDigits = 32;

std::string make_secret();  // kSecretPrefix and kSecretDigits random hex digits
uint64_t fingerprint(
    const std::string& data);  // FNV-1a: finds accidents, not forgeries, which is all it is for
bool contains_secret(const std::string& data, uint64_t secret_fingerprint);

}  // namespace sandstone::probe_program
