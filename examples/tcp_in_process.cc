// A TCP server and its client on the loopback of a Linux that runs inside this process: no socket of the
// host's is made.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sandstone/library_kernel.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

template <typename... Words>
int64_t call(sandstone_task* task, int64_t number, Words... words) {
  const uint64_t all[6] = {(uint64_t)words...};
  const int64_t result = sandstone_call(task, number, all[0], all[1], all[2], all[3], all[4], all[5]);
  if (result < 0) {
    std::fprintf(stderr, "call %ld: %s\n", static_cast<long>(number),
                 std::strerror(static_cast<int>(-result)));
    std::exit(1);
  }
  return result;
}

// As on any Linux that has just booted, the loopback is down.
void loopback_up(sandstone_task* task) {
  const int64_t fd = call(task, SYS_socket, AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  call(task, SYS_ioctl, fd, SIOCSIFFLAGS, &request);
  call(task, SYS_close, fd);
}

}  // namespace

int main() {
  char error[512];
  sandstone_kernel* kernel = nullptr;
  if (sandstone_kernel_boot(nullptr, &kernel, error, sizeof error) != 0) {
    std::fprintf(stderr, "tcp_in_process: %s\n", error);
    return 125;
  }
  sandstone_task* server = sandstone_kernel_first_task(kernel);
  loopback_up(server);

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int64_t listener = call(server, SYS_socket, AF_INET, SOCK_STREAM, 0);
  call(server, SYS_bind, listener, &address, sizeof address);
  call(server, SYS_listen, listener, 1);

  // The client is a process of its own in there, and a thread here: when it waits, only its thread does.
  sandstone_task* client = nullptr;
  if (sandstone_task_clone(server, SIGCHLD, 0, &client) != 0) return 1;
  std::thread thread([&] {
    const int64_t fd = call(client, SYS_socket, AF_INET, SOCK_STREAM, 0);
    call(client, SYS_connect, fd, &address, sizeof address);
    call(client, SYS_sendto, fd, "hello over TCP", 14, 0, 0, 0);
    sandstone_task_exit(client, 0);
  });

  const int64_t connection = call(server, SYS_accept, listener, 0, 0);
  char text[64] = {};
  const int64_t size = call(server, SYS_read, connection, text, sizeof text - 1);
  thread.join();
  std::printf("%.*s\n", static_cast<int>(size), text);
  return sandstone_kernel_halt(kernel) == 0 ? 0 : 1;
}
