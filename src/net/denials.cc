#include "net/denials.h"

namespace sandstone::net {

void Denials::add(const char* operation, std::string subject, Time now) {
  tick(now);
  if (subject.size() > kSubjectBytes) subject.resize(kSubjectBytes);
  if (told_ < kPerSecond) {
    ++told_;
    sink_({operation, std::move(subject), 1});
    return;
  }
  auto key = std::pair(std::string(operation), std::move(subject));
  if (counted_.size() >= kSubjects && !counted_.contains(key)) key.second = "(others)";
  ++counted_[std::move(key)];
}

void Denials::tick(Time now) {
  if (now - second_ < std::chrono::seconds(1)) return;
  second_ = now;
  told_ = 0;
  flush();
}

void Denials::flush() {
  for (auto& [key, count] : counted_) sink_({key.first, key.second, count});
  counted_.clear();
}

}  // namespace sandstone::net
