#include "engine/recorder.h"

#include <algorithm>
#include <bit>

namespace sandstone::engine {

void Recorder::emit(Event::Kind kind, std::string text) {
  if (!sink_) return;
  Event event;
  event.kind = kind;
  event.since_start = since_start();
  event.text = std::move(text);
  sink_(event);
}

void Recorder::denial(Denial denial) {
  denial.since_start = since_start();
  // The latest are the likeliest to come again.
  const auto same = std::find_if(denials_.rbegin(), denials_.rend(), [&](const Denial& d) {
    return d.pid == denial.pid && d.operation == denial.operation && d.subject == denial.subject &&
           d.wall == denial.wall;
  });
  uint64_t count = denial.count;
  if (same != denials_.rend()) {
    count = same->count += denial.count;
  } else if (denials_.size() < Outcome::kMaxDenials) {
    denials_.push_back(denial);
  } else {
    dropped_ += denial.count;
    return;
  }
  if (!sink_ || !std::has_single_bit(count)) return;
  Event event;
  event.kind = Event::Kind::denial;
  event.since_start = denial.since_start;
  event.denial = std::move(denial);
  event.denial.count = count;
  sink_(event);
}

void Recorder::limit(const std::string& name) {
  if (std::find(limits_.begin(), limits_.end(), name) != limits_.end()) return;
  limits_.push_back(name);
  emit(Event::Kind::limit, name);
}

void Recorder::finish(Outcome& outcome) {
  outcome.denials = std::move(denials_);
  outcome.denials_dropped = dropped_;
  outcome.limits_hit = std::move(limits_);
}

}  // namespace sandstone::engine
