// build_image() and import_image(): opens what the image process may touch, starts it, and names its work.
#include <fcntl.h>
#include <fmt/format.h>
#include <sandstone/image.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "base/fd.h"
#include "base/program.h"
#include "image/output_file.h"
#include "image/wire.h"

namespace sandstone {
namespace {

using image::ImageRequest;
using image::OutputFile;
using image::Task;

constexpr char kProgram[] = "sandstone-image";

struct Source {
  Fd file;
  bool is_folder = false;
};

Result<Source> open_source(const std::string& path) {
  // Not blocking: a FIFO by that name must not make this wait for a writer.
  Source source{Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))};
  struct stat status{};
  if (!source.file.valid() || ::fstat(source.file.get(), &status) != 0)
    return system_error(path, "cannot open", errno);
  source.is_folder = S_ISDIR(status.st_mode);
  if (!source.is_folder && !S_ISREG(status.st_mode))
    return Error{path, "is neither a folder nor a file", "a pipe's content must be put into a file first"};
  return source;
}

// A folder that holds the image would have to hold itself.
Result<void> check_apart(const std::string& folder, const std::string& image) {
  const size_t slash = image.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : image.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&::free)> outer(::realpath(folder.c_str(), nullptr), &::free);
  const std::unique_ptr<char, decltype(&::free)> inner(::realpath(parent.c_str(), nullptr), &::free);
  if (!outer || !inner) return {};  // told when it is opened
  const std::string_view out(outer.get());
  const std::string_view in(inner.get());
  if (in.starts_with(out) && (in.size() == out.size() || out == "/" || in[out.size()] == '/'))
    return Error{image, fmt::format("lies in '{}', which it would hold", folder), "make it elsewhere"};
  return {};
}

// Starts the program with `files` as its descriptors from 3 on, and nothing else of ours.
Result<pid_t> spawn(const std::string& program, std::initializer_list<int> files) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
#if !defined(__SANITIZE_ADDRESS__)
  ::posix_spawn_file_actions_adddup2(&actions, 0, 2);  // in a hostile hand it would write to our terminal
#endif
  int number = image::kControl;
  for (const int file : files) ::posix_spawn_file_actions_adddup2(&actions, file, number++);
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  char name[] = "sandstone-image";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};  // LD_PRELOAD, LC_ALL: nothing of the caller's
  pid_t pid = -1;
  const int err = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (err != 0) return system_error("image", fmt::format("cannot start {}", program), err);
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return 0;
  return status;
}

// A copy whose number is above all that the program starts with, so that no dup2 hits another's source.
Result<Fd> above(const Fd& file) {
  Fd copy(::fcntl(file.get(), F_DUPFD_CLOEXEC, image::kScratch + 1));
  if (!copy.valid()) return system_error("image", "cannot duplicate a descriptor", errno);
  return copy;
}

Result<ImageSummary> ask(const std::string& request, const std::string& source,
                         std::initializer_list<const Fd*> files) {
  auto program = find_program(kProgram, SANDSTONE_LIBEXEC, "image");
  if (!program) return program.error();
  auto ends = make_socket_pair(SOCK_SEQPACKET);
  if (!ends) return ends.error();
  Fd copies[4];
  auto theirs = above(ends->second);
  if (!theirs) return theirs.error();
  copies[0] = std::move(*theirs);
  size_t count = 1;
  for (const Fd* file : files) {
    auto copy = above(*file);
    if (!copy) return copy.error();
    copies[count++] = std::move(*copy);
  }
  auto pid = spawn(*program, {copies[0].get(), copies[1].get(), copies[2].get(), copies[3].get()});
  if (!pid) return pid.error();
  ends->second.reset();
  copies[0].reset();

  std::string reply(image::kMaxMessage, '\0');
  ssize_t got = ::send(ends->first.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (got >= 0) do {
      got = ::recv(ends->first.get(), reply.data(), reply.size(), 0);
    } while (got < 0 && errno == EINTR);
  ends->first.reset();
  const int status = wait_for(*pid);
  if (got > 0) return image::decode_reply(std::string_view(reply).substr(0, static_cast<size_t>(got)));
  if (WIFSIGNALED(status))
    return Error{source, fmt::format("the image process was ended by signal {}", WTERMSIG(status)),
                 "if nobody killed it, the source is damaged or hostile"};
  return Error{source, "the image process ended without a word", "try again on a machine with more memory"};
}

Result<ImageSummary> make(ImageRequest request, const std::string& path) {
  if (request.source.empty())
    return Error{"image", "the name of the source is empty", "a folder or an archive"};
  const bool import = request.task == Task::import_archive;
  auto source = open_source(request.source);
  if (!source) return source.error();
  if (source->is_folder) {
    request.task = import ? Task::import_folder : Task::build_folder;
    if (auto apart = check_apart(request.source, path); !apart) return apart.error();
  }
  request.caller_uid = ::geteuid();
  request.caller_gid = ::getegid();
  const std::string message = image::encode(request);
  if (message.size() > image::kMaxMessage) return Error{"image", "the words are too long", {}};
  auto output = OutputFile::create(path);
  if (!output) return output.error();
  auto scratch = output->scratch();
  if (!scratch) return scratch.error();
  const Fd file(::fcntl(output->get(), F_DUPFD_CLOEXEC, 3));
  if (!file.valid()) return system_error("image", "cannot duplicate a descriptor", errno);
  auto summary = ask(message, request.source, {&source->file, &file, &*scratch});
  if (!summary) return summary.error();
  if (auto named = output->commit(); !named) return named.error();
  return summary;
}

}  // namespace

Result<ImageSummary> build_image(const ImageBuild& build) {
  ImageRequest request;
  request.task = Task::build_archive;
  request.source = build.source;
  request.size = build.size;
  request.owner = build.owner;
  return make(std::move(request), build.image);
}

Result<ImageSummary> import_image(const ImageImport& import) {
  ImageRequest request;
  request.task = Task::import_archive;
  request.source = import.source;
  request.size = import.size;
  request.name = import.name;
  request.platform = import.platform;
  return make(std::move(request), import.image);
}

}  // namespace sandstone
