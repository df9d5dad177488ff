#include "observe/names.h"

#include <asm/ioctls.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace sandstone::observe {
namespace {

#define N SANDSTONE_NAME

constexpr Name kFamilies[] = {
    N(AF_UNSPEC), N(AF_UNIX),    N(AF_INET),   N(AF_AX25),  N(AF_IPX),     N(AF_APPLETALK), N(AF_INET6),
    N(AF_KEY),    N(AF_NETLINK), N(AF_PACKET), N(AF_PPPOX), N(AF_CAN),     N(AF_TIPC),      N(AF_BLUETOOTH),
    N(AF_ALG),    N(AF_NFC),     N(AF_VSOCK),  N(AF_KCM),   N(AF_QIPCRTR), N(AF_SMC),       N(AF_XDP)};

constexpr Name kTypes[] = {{1, "SOCK_STREAM"},    {2, "SOCK_DGRAM"}, {3, "SOCK_RAW"},    {4, "SOCK_RDM"},
                           {5, "SOCK_SEQPACKET"}, {6, "SOCK_DCCP"},  {10, "SOCK_PACKET"}};

constexpr Name kTypeFlags[] = {N(SOCK_CLOEXEC), N(SOCK_NONBLOCK)};

constexpr Name kMessages[] = {
    N(MSG_OOB),      N(MSG_PEEK),     N(MSG_DONTROUTE),   N(MSG_CTRUNC), N(MSG_PROXY),      N(MSG_TRUNC),
    N(MSG_DONTWAIT), N(MSG_EOR),      N(MSG_WAITALL),     N(MSG_FIN),    N(MSG_SYN),        N(MSG_CONFIRM),
    N(MSG_RST),      N(MSG_ERRQUEUE), N(MSG_NOSIGNAL),    N(MSG_MORE),   N(MSG_WAITFORONE), N(MSG_BATCH),
    N(MSG_ZEROCOPY), N(MSG_FASTOPEN), N(MSG_CMSG_CLOEXEC)};

constexpr Name kLevels[] = {N(SOL_SOCKET),    {0, "SOL_IP"},    {6, "SOL_TCP"},      {17, "SOL_UDP"},
                            {41, "SOL_IPV6"}, {255, "SOL_RAW"}, {263, "SOL_PACKET"}, {270, "SOL_NETLINK"}};

constexpr Name kShutdown[] = {N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR)};

constexpr Name kIoctls[] = {N(TCGETS),
                            N(TCSETS),
                            N(TCSETSW),
                            N(TCSETSF),
                            N(TCSBRK),
                            N(TCXONC),
                            N(TCFLSH),
                            N(TIOCEXCL),
                            N(TIOCNXCL),
                            N(TIOCSCTTY),
                            N(TIOCGPGRP),
                            N(TIOCSPGRP),
                            N(TIOCOUTQ),
                            N(TIOCSTI),
                            N(TIOCGWINSZ),
                            N(TIOCSWINSZ),
                            N(TIOCMGET),
                            N(TIOCLINUX),
                            N(FIONREAD),
                            N(TIOCCONS),
                            N(FIONBIO),
                            N(TIOCNOTTY),
                            N(TIOCGETD),
                            N(TIOCSETD),
                            N(TIOCGSID),
                            N(TIOCGPTN),
                            N(TIOCSPTLCK),
                            N(TIOCGPTPEER),
                            N(FIONCLEX),
                            N(FIOCLEX),
                            N(FIOASYNC),
                            N(FIOQSIZE),
                            N(SIOCGIFNAME),
                            N(SIOCGIFCONF),
                            N(SIOCGIFFLAGS),
                            N(SIOCSIFFLAGS),
                            N(SIOCGIFADDR),
                            N(SIOCGIFNETMASK),
                            N(SIOCGIFMTU),
                            N(SIOCGIFHWADDR),
                            N(SIOCGIFINDEX),
                            N(SIOCETHTOOL),
                            N(SIOCATMARK),
                            N(BLKGETSIZE),
                            N(BLKGETSIZE64),
                            N(BLKSSZGET),
                            N(BLKROGET),
                            N(BLKDISCARD),
                            N(FICLONE),
                            N(FICLONERANGE),
                            N(FIDEDUPERANGE),
                            N(FIFREEZE),
                            N(FITHAW),
                            N(FITRIM),
                            N(FS_IOC_GETFLAGS),
                            N(FS_IOC_SETFLAGS),
                            N(FS_IOC_GETVERSION),
                            N(FS_IOC_FSGETXATTR),
                            N(FS_IOC_FSSETXATTR),
                            {0xc020660b, "FS_IOC_FIEMAP"},
                            N(FIBMAP),
                            {0x400454ca, "TUNSETIFF"}};

#undef N

}  // namespace

namespace {

std::string type_of_socket(uint64_t value) {
  const uint64_t flags = value & (SOCK_CLOEXEC | SOCK_NONBLOCK);
  const uint64_t type = static_cast<uint32_t>(value) & ~flags;
  if (type == 0) return set_of(kTypeFlags, flags);  // accept4(2) takes the flags alone
  return one_of(kTypes, type) + (flags != 0 ? "|" + set_of(kTypeFlags, flags) : "");
}

}  // namespace

std::string address_family(uint64_t family) {
  return one_of(kFamilies, static_cast<uint32_t>(family));
}

std::string ioctl_name(uint64_t request) {
  const auto word = static_cast<uint32_t>(request);
  for (const Name& name : kIoctls)
    if (name.value == word) return std::string(name.name);
  constexpr const char* kDirections[] = {"_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"};
  return fmt::format("_IOC({}, {:#x}, {:#x}, {:#x})", kDirections[_IOC_DIR(word)], _IOC_TYPE(word),
                     _IOC_NR(word), _IOC_SIZE(word));
}

std::string named_socket_word(calls::Kind kind, uint64_t value) {
  using enum calls::Kind;
  switch (kind) {
    case socket_domain:
      return address_family(value);
    case socket_type:
      return type_of_socket(value);
    case message_flags:
      return set_of(kMessages, static_cast<uint32_t>(value));
    case socket_level:
      return one_of(kLevels, static_cast<uint32_t>(value));
    case shutdown_how:
      return one_of(kShutdown, static_cast<uint32_t>(value));
    default:
      return {};
  }
}

}  // namespace sandstone::observe
