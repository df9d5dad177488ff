#include "observe/format.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cmath>

#include "calls/table.h"
#include "observe/arguments.h"
#include "observe/names.h"
#include "observe/pieces.h"

namespace sandstone::observe {
namespace {

using calls::Call;

// clone(2) reads best with its arguments named, for which of them count depends on the flags.
std::vector<std::string> clone_arguments(const Record& record, const Call& call, const Pieces& pieces) {
  const uint64_t flags = record.args[0];
  const uint64_t exit_signal = flags & CSIGNAL;
  std::string names = named_word(calls::Kind::clone_flags, flags & ~uint64_t{CSIGNAL});
  if (exit_signal != 0) names = (names == "0" ? "" : names + "|") + signal_name(exit_signal);
  std::vector<std::string> out = {"child_stack=" + pointer_text(record.args[1]), "flags=" + names};
  if ((flags & (CLONE_PARENT_SETTID | CLONE_PIDFD)) != 0)
    out.push_back("parent_tid=" + *argument_text(record, call, pieces, 2));
  if ((flags & CLONE_SETTLS) != 0) out.push_back(fmt::format("tls={:#x}", record.args[4]));
  if ((flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) != 0)
    out.push_back("child_tidptr=" + pointer_text(record.args[3]));
  return out;
}

std::string result_text(const Record& record, const Call* call, const Pieces& pieces) {
  if (record.no_result) return "?";
  if (failed(record.result))
    return fmt::format("-1 {} ({})", error_name(-record.result), error_text(-record.result));
  std::string text;
  const auto word = static_cast<uint64_t>(record.result);
  switch (call != nullptr ? call->result : calls::Kind::integer) {
    case calls::Kind::pointer:
    case calls::Kind::hex:
      text = hex_text(word);
      break;
    case calls::Kind::mode:
      text = fmt::format("{:#03o}", word);
      break;
    case calls::Kind::sched_policy:
      text = fmt::format("{} ({})", record.result, named_word(calls::Kind::sched_policy, word));
      break;
    default:
      text = fmt::format("{}", record.result);
  }
  if (call == nullptr) return text;
  const std::string remark = result_remark(record, *call, pieces);
  if (remark.starts_with(" (flags")) text = fmt::format("{:#x}", word);
  return text + remark;
}

// The texts hold printable ASCII alone, so these two are all that JSON wants escaped.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

const char* to_string(Disposition disposition) {
  constexpr const char* kNames[] = {"library", "host", "both", "refused"};
  const auto index = static_cast<size_t>(disposition);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

const char* to_string(Transport transport) {
  constexpr const char* kNames[] = {"rewritten", "trapped", "notified"};
  const auto index = static_cast<size_t>(transport);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::string call_name(const Record& record) {
  const Call* call = calls::find(record.number);
  return call != nullptr ? call->name : fmt::format("syscall_{:#x}", record.number);
}

std::vector<std::string> format_arguments(const Record& record) {
  const Call* call = calls::find(record.number);
  std::vector<std::string> out;
  if (call == nullptr) {
    for (const uint64_t arg : record.args) out.push_back(hex_text(arg));
    return out;
  }
  const Pieces pieces(record);
  if (record.number == SYS_clone) return clone_arguments(record, *call, pieces);
  for (unsigned i = 0; i < call->count; ++i)
    if (auto text = argument_text(record, *call, pieces, i)) out.push_back(std::move(*text));
  return out;
}

std::string format_text(const Record& record, const TextStyle& style) {
  std::string out;
  if (style.pid) out += fmt::format("[pid {}] ", record.tid);
  if (style.time) {
    const uint64_t second = record.time / 1'000'000'000;
    out += fmt::format("{:02}:{:02}:{:02}.{:06} ", second / 3600 % 24, second / 60 % 60, second % 60,
                       record.time / 1000 % 1'000'000);
  }
  out += call_name(record) + "(";
  bool first = true;
  for (const std::string& text : format_arguments(record)) {
    if (!first) out += ", ";
    first = false;
    out += text;
  }
  out += ") = " + result_text(record, calls::find(record.number), Pieces(record));
  if (style.duration && !record.no_result)
    out += fmt::format(" <{}.{:06}>", record.duration / 1'000'000'000, record.duration / 1000 % 1'000'000);
  if (style.disposition)
    out += fmt::format(" [{}, {}]", to_string(record.disposition), to_string(record.transport));
  return out;
}

std::string format_json(const Record& record) {
  const bool error = !record.no_result && failed(record.result);
  std::string out =
      fmt::format(R"({{"time":{}.{:06},"pid":{},"tid":{},"name":{},"args":[)", record.time / 1'000'000'000,
                  record.time / 1000 % 1'000'000, record.pid, record.tid, json_string(call_name(record)));
  bool first = true;
  for (const std::string& text : format_arguments(record)) {
    if (!first) out += ',';
    first = false;
    out += json_string(text);
  }
  out += fmt::format(R"(],"result":{},"error":{},"duration_ns":{},"disposition":"{}","transport":"{}"}})",
                     record.no_result ? "null" : fmt::format("{}", error ? -1 : record.result),
                     error ? json_string(error_name(-record.result)) : "null", record.duration,
                     to_string(record.disposition), to_string(record.transport));
  return out;
}

}  // namespace sandstone::observe
