#include "probe/program/attempt.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace sandstone::probe_program {
namespace {

bool same_file_system(const std::string& path, dev_t device) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && status.st_dev == device;
}

// Never into anything that is still mounted there: it would not be ours to remove.
void remove_folder(const std::string& path, dev_t device) {
  if (!same_file_system(path, device)) return;
  if (DIR* folder = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      std::string inner = path;
      inner.append("/").append(name);
      if (::unlink(inner.c_str()) != 0 && ::rmdir(inner.c_str()) != 0) remove_folder(inner, device);
    }
    ::closedir(folder);
  }
  ::rmdir(path.c_str());
}

}  // namespace

Scratch::Scratch() {
  const char* home = std::getenv("HOME");
  for (const std::string& folder : {std::string("/tmp"), std::string("/dev/shm"),
                                    std::string(home ? home : "/tmp"), std::string("/var/tmp")}) {
    std::string attempt = folder + "/sandstone-scratch-XXXXXX";
    if (::mkdtemp(attempt.data()) != nullptr) {
      path_ = attempt;
      struct stat status{};
      if (::lstat(path_.c_str(), &status) == 0) device_ = status.st_dev;
      return;
    }
  }
}

Scratch::~Scratch() {
  if (valid()) remove_folder(path_, device_);
}

std::string read_up_to(int fd, size_t limit) {
  std::string data;
  char block[4096];
  while (data.size() < limit) {
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    data.append(block, static_cast<size_t>(got));
  }
  return data;
}

bool write_whole(int fd, const std::string& data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put = ::write(fd, data.data() + done, data.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

Verdict read_secret_file(const Parameters& parameters, const std::string& key, const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return refused("open " + path);
  errno = 0;
  const std::string data = read_up_to(file.get());
  if (parameters.holds_secret(key, data)) return allowed("read the canary's secret");
  if (data.empty() && errno != 0) return refused("read " + path);
  return without_effect("opened, but what it holds is not the host's");
}

Verdict open_only(const std::string& path, int flags) {
  const Descriptor file(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return refused("open " + path);
  struct stat status{};
  if (::fstat(file.get(), &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))
    return without_effect("/dev/null stands in its place");
  return gained("holds " + path + " open; nothing was done with it");
}

bool own_mount_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

Verdict in_child(const std::function<Verdict()>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return refused("pipe");
  const pid_t child = ::fork();
  if (child < 0) return refused("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    serialise(ends[1], body());
    ::_exit(0);
  }
  ::close(ends[1]);
  const std::string data = read_up_to(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // The caller dies of what its child died of, so that the main process reports the signal.
  if (WIFSIGNALED(status)) {
    ::signal(WTERMSIG(status), SIG_DFL);
    ::raise(WTERMSIG(status));
  }
  return deserialise(data);
}

Executed execute(const std::vector<std::string>& argv, const std::function<bool()>& before_exec) {
  Executed result;
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
    result.error = errno;
    return result;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    errno = 0;
    if (!before_exec || before_exec()) {
      ::dup2(out[1], 1);
      std::vector<char*> words;
      words.reserve(argv.size() + 1);
      for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      ::execv(words[0], words.data());
    }
    const int error = errno != 0 ? errno : EPERM;
    if (::write(err[1], &error, sizeof error) < 0) ::_exit(2);
    ::_exit(1);
  }
  ::close(out[1]);
  ::close(err[1]);
  if (child < 0) {
    result.error = errno;
  } else {
    const bool failed =
        ::read(err[0], &result.error, sizeof result.error) == static_cast<ssize_t>(sizeof result.error);
    result.started = !failed;
    result.output = read_up_to(out[0]);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  return result;
}

bool readable(int fd, int milliseconds) {
  pollfd wait{fd, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&wait, 1, milliseconds)) < 0 && errno == EINTR) {
  }
  return ready > 0 && (wait.revents & POLLIN) != 0;
}

void serialise(int fd, const Verdict& verdict) {
  std::string data;
  data += static_cast<char>('a' + static_cast<int>(verdict.kind));
  data += std::to_string(verdict.error) + " " + verdict.detail;
  write_whole(fd, data);
}

Verdict deserialise(const std::string& data) {
  Verdict verdict;
  if (data.empty()) return not_applicable("the attempt ended without a verdict");
  verdict.kind = static_cast<Verdict::Kind>(data[0] - 'a');
  verdict.error = static_cast<int>(std::strtol(data.c_str() + 1, nullptr, 10));
  const size_t blank = data.find(' ');
  verdict.detail = blank == std::string::npos ? "" : data.substr(blank + 1);
  return verdict;
}

}  // namespace sandstone::probe_program
