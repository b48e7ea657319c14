#include "harness/tensor/page_guard.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace refute::tensor {
namespace {

constexpr int kSlots = 4096;

/// What a signal handler may read: lock-free atomics in static storage.
struct Slot {
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> taken{false}, damaged{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

std::array<Slot, kSlots> slots;
std::uintptr_t page_bytes = 0;
struct sigaction former {};

Slot* slot_around(std::uintptr_t address) {
  for (Slot& slot : slots) {
    if (address >= slot.begin.load() && address < slot.end.load()) return &slot;
  }
  return nullptr;
}

/// Zeros from the faulting page to the mapping's end: a shortened file has lost all of that, and
/// one call serves every later read.
bool put_zeros(const Slot& slot, std::uintptr_t address) {
  const std::uintptr_t first = address & ~(page_bytes - 1);
  void* at = ::mmap(reinterpret_cast<void*>(first), slot.end.load() - first, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return at != MAP_FAILED;
}

/// A fault that is not ours: what would have happened without us.
void hand_on(int signal, siginfo_t* info, void* context) {
  if ((former.sa_flags & SA_SIGINFO) != 0) return former.sa_sigaction(signal, info, context);
  if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN)
    return former.sa_handler(signal);
  // Returning repeats the access, which now ends the process as it should.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  if (info->si_code <= 0) ::raise(signal);  // sent by kill(): there is no access to repeat
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Slot* slot = info->si_code > 0 ? slot_around(address) : nullptr;
  if (slot != nullptr) {
    slot->damaged.store(true);
    if (put_zeros(*slot, address)) {
      errno = saved;
      return;
    }
  }
  hand_on(signal, info, context);
  errno = saved;
}

void install_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction ours {};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(SIGBUS, &ours, &former);
  });
}

}  // namespace

Result<PageGuard> PageGuard::watch(std::span<const std::byte> mapping) {
  if (mapping.empty()) return PageGuard(-1);
  install_once();
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = slots[static_cast<std::size_t>(i)];
    if (slot.taken.exchange(true)) continue;
    slot.damaged.store(false);
    const auto begin = reinterpret_cast<std::uintptr_t>(mapping.data());
    slot.begin.store(begin);
    slot.end.store(begin + mapping.size());  // last: until then nothing lies in the slot
    return PageGuard(i);
  }
  return Error{"more files are open than can be guarded", "open fewer shards at once"};
}

PageGuard::PageGuard(PageGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

PageGuard& PageGuard::operator=(PageGuard&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

PageGuard::~PageGuard() {
  if (slot_ < 0) return;
  Slot& slot = slots[static_cast<std::size_t>(slot_)];
  slot.end.store(0);
  slot.begin.store(0);
  slot.taken.store(false);
}

bool PageGuard::damaged() const {
  return slot_ >= 0 && slots[static_cast<std::size_t>(slot_)].damaged.load();
}

}  // namespace refute::tensor
