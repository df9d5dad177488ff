// Sandbox: one running workload. The way in for programs that embed Sandstone.
//
//   auto sandbox = sandstone::Sandbox::start(spec, {.stdout_to = sandstone::Stream::pipe});
//   if (!sandbox) { std::cerr << sandbox.error().line() << '\n'; return 125; }
//   std::string text = sandbox->read_stdout();          // until end of file
//   sandstone::Outcome outcome = sandbox->wait();
#pragma once

#include <sandstone/event.h>
#include <sandstone/outcome.h>
#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <memory>
#include <string>

namespace sandstone {

// Where one of the workload's standard streams leads.
enum class Stream : uint8_t {
  inherit,  // the caller's own descriptor, relayed through a pipe (the workload never holds the caller's)
  null,     // /dev/null
  pipe,     // a pipe whose other end the Sandbox gives out
};

struct Streams {
  Stream stdin_from = Stream::null;
  Stream stdout_to = Stream::inherit;
  Stream stderr_to = Stream::inherit;
};

class Sandbox {
 public:
  // Starts `spec` and returns at once; a supervisor thread looks after it. `sink` is called on that thread.
  // Fails, with nothing left behind, if the spec is bad or a wall cannot be raised.
  [[nodiscard]] static Result<Sandbox> start(RunSpec spec, Streams streams = {}, EventSink sink = {});

  Sandbox(Sandbox&&) noexcept;
  Sandbox& operator=(Sandbox&&) noexcept;
  ~Sandbox();  // kills what still runs and waits for it

  // Blocks until the workload and everything that it started have ended. May be called again.
  Outcome wait();

  // SIGKILL to every process of the sandbox. Thread-safe, returns at once.
  void kill();

  // Sends `signal` to the workload's main process. Thread-safe.
  void signal(int signal);

  // The caller's ends of piped streams: -1 if the stream is not a pipe. Owned by the Sandbox.
  [[nodiscard]] int stdin_fd() const;
  [[nodiscard]] int stdout_fd() const;
  [[nodiscard]] int stderr_fd() const;
  void close_stdin();

  // Everything up to end of file of a piped stream.
  [[nodiscard]] std::string read_stdout();
  [[nodiscard]] std::string read_stderr();

 private:
  class Impl;
  explicit Sandbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandstone
