// sandstone-image: the process that makes a disk image. The command starts it with the descriptors of
// image/wire.h. It is a process of its own because it holds the code that a hostile archive can feed,
// libarchive and libext2fs: all that such a one wins is a process that can write the image that it was
// writing.
#include <poll.h>
#include <sys/socket.h>

#include <clocale>
#include <cstdlib>
#include <exception>
#include <new>

#include "image/process/harden.h"
#include "image/process/work.h"

namespace {

using namespace sandstone::image;

int answer(const std::string& reply) {
  return ::send(kControl, reply.data(), reply.size(), MSG_NOSIGNAL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int serve() {
  std::string text(kMaxMessage, '\0');
  const ssize_t got = ::recv(kControl, text.data(), text.size(), 0);
  if (got <= 0) return EXIT_FAILURE;
  auto request = decode_request(std::string_view(text).substr(0, static_cast<size_t>(got)));
  if (!request) return answer(encode(request.error()));
  if (auto jailed = give_up_privileges(request->is_folder()); !jailed) return answer(encode(jailed.error()));
  pollfd caller{kControl, 0, 0};
  if (::poll(&caller, 1, 0) != 0) return EXIT_FAILURE;  // gone before its death could reach us
  auto summary = carry_out(*request);
  return answer(summary ? encode(*summary) : encode(summary.error()));
}

}  // namespace

int main() {
  // For libarchive, which keeps names in the locale's characters. Loaded before the jail stands.
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "C");
  try {
    return serve();
  } catch (const std::bad_alloc&) {
    return answer(
        encode(sandstone::Error{"image", "out of memory", "the source holds too much for this machine"}));
  } catch (const std::exception& exception) {
    return answer(encode(sandstone::Error{"internal error", exception.what(), {}}));
  }
}
