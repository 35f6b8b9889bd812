// operators.cc - a program that replaces some C++ operators, and says where the others end. What it
// replaces them with is no malloc at all, so a pointer that goes astray is noticed. One run with and one
// without the interposer must say the same. REPLACE_PLAIN, REPLACE_ARRAY, REPLACE_ALIGNED or none of them
// is defined.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

alignas(4096) static char arena[1 << 20];
static std::size_t used;
static int news, deletes;

static void *take(std::size_t size, std::size_t alignment) {
  used = (used + alignment - 1) / alignment * alignment;
  if (size > sizeof arena - used) throw std::bad_alloc();
  news++;
  used += size;
  return arena + used - size;
}

static void give_back(void *p) {
  if (p == nullptr) return;
  deletes++;
  if (static_cast<char *>(p) < arena || static_cast<char *>(p) >= arena + sizeof arena) {
    std::puts("not from the arena");
    std::_Exit(3);
  }
}

#ifdef REPLACE_PLAIN
void *operator new(std::size_t size) { return take(size, 16); }
void operator delete(void *p) noexcept { give_back(p); }
#endif
#ifdef REPLACE_ARRAY
void *operator new[](std::size_t size) { return take(size, 16); }
void operator delete[](void *p) noexcept { give_back(p); }
#endif
#ifdef REPLACE_ALIGNED
void *operator new(std::size_t size, std::align_val_t alignment) {
  return take(size, std::size_t(alignment));
}
void operator delete(void *p, std::align_val_t) noexcept { give_back(p); }
#endif

static volatile std::size_t impossible = SIZE_MAX / 2 + 1000;
static const std::align_val_t wide{256};

static void say(const char *what) {
  std::printf("%s: %d new, %d delete\n", what, news, deletes);
  news = deletes = 0;
}

static void plain() {
  ::operator delete(::operator new(50));
  say("plain");
  ::operator delete(::operator new(50), std::size_t(50));
  say("plain, sized");
  ::operator delete(::operator new(50, std::nothrow), std::nothrow);
  say("plain, nothrow");
  ::operator delete(::operator new(50, wide), wide);
  say("plain, aligned");
  ::operator delete(::operator new(50, wide), 50, wide);
  say("plain, aligned, sized");
  ::operator delete(::operator new(50, wide, std::nothrow), wide, std::nothrow);
  say("plain, aligned, nothrow");
}

static void array() {
  ::operator delete[](::operator new[](50));
  say("array");
  ::operator delete[](::operator new[](50), std::size_t(50));
  say("array, sized");
  ::operator delete[](::operator new[](50, std::nothrow), std::nothrow);
  say("array, nothrow");
  ::operator delete[](::operator new[](50, wide), wide);
  say("array, aligned");
  ::operator delete[](::operator new[](50, wide), 50, wide);
  say("array, aligned, sized");
  ::operator delete[](::operator new[](50, wide, std::nothrow), wide, std::nothrow);
  say("array, aligned, nothrow");
}

static int handled;
static void handler() {
  if (++handled == 3) std::set_new_handler(nullptr);
}

template <typename F> static void fails(const char *what, F allocate) {
  const char *result = "a block";
  handled = 0;
  std::set_new_handler(handler);
  try {
    if (allocate() == nullptr) result = "NULL";
  } catch (const std::bad_alloc &) {
    result = "bad_alloc";
  }
  std::set_new_handler(nullptr);
  std::printf("%s: %s, %d calls of the handler\n", what, result, handled);
}

static void failures() {
  fails("new", [] { return ::operator new(impossible); });
  fails("new[]", [] { return ::operator new[](impossible); });
  fails("new aligned", [] { return ::operator new(impossible, wide); });
  fails("new[] aligned", [] { return ::operator new[](impossible, wide); });
  fails("new nothrow", [] { return ::operator new(impossible, std::nothrow); });
  fails("new[] nothrow", [] { return ::operator new[](impossible, std::nothrow); });
  fails("new aligned nothrow", [] { return ::operator new(impossible, wide, std::nothrow); });
  fails("new[] aligned nothrow", [] { return ::operator new[](impossible, wide, std::nothrow); });
  fails("new with a bad alignment", [] { return ::operator new(8, std::align_val_t(63)); });
  fails("new[] with a bad alignment", [] { return ::operator new[](8, std::align_val_t(63), std::nothrow); });
}

int main() {
  ::operator delete(nullptr);
  ::operator delete[](nullptr);
  plain();
  array();
  failures();
  return 0;
}
