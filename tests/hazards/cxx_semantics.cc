// cxx_semantics.cc - operators new and delete in all forms: alignment, errno, failure, the new-handler.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: false: %s\n", __FILE__, __LINE__, #condition); \
      std::_Exit(3);                                                              \
    }                                                                             \
  } while (0)

static int handler_calls;
static void handler() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

static void all_forms(std::size_t size) {
  const std::align_val_t alignment{256};
  errno = 55;
  void *p = ::operator new(size);
  ::operator delete(p);
  p = ::operator new[](size);
  ::operator delete[](p);
  p = ::operator new(size);
  ::operator delete(p, size);
  p = ::operator new[](size);
  ::operator delete[](p, size);
  p = ::operator new(size, std::nothrow);
  ::operator delete(p, std::nothrow);
  p = ::operator new[](size, std::nothrow);
  ::operator delete[](p, std::nothrow);
  p = ::operator new(size, alignment);
  REQUIRE(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
  ::operator delete(p, alignment);
  p = ::operator new[](size, alignment);
  REQUIRE(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
  ::operator delete[](p, alignment);
  p = ::operator new(size, alignment, std::nothrow);
  REQUIRE(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
  ::operator delete(p, alignment, std::nothrow);
  p = ::operator new[](size, alignment, std::nothrow);
  ::operator delete[](p, alignment, std::nothrow);
  p = ::operator new(size, alignment);
  ::operator delete(p, size, alignment);
  p = ::operator new[](size, alignment);
  ::operator delete[](p, size, alignment);
  ::operator delete(nullptr);
  REQUIRE(errno == 55);
}

// volatile: the compiler would remove pairs, and warn of the size.
static volatile std::size_t impossible = PTRDIFF_MAX;

template <typename F> static bool throws(F allocate) {
  try {
    allocate();
  } catch (const std::bad_alloc &) {
    return true;
  }
  return false;
}

int main() {
  for (std::size_t size : {0, 1, 24, 1000, 5000, 50000, 500000, 5000000}) all_forms(size);
  REQUIRE(throws([] { return ::operator new(impossible); }));
  REQUIRE(throws([] { return ::operator new[](impossible); }));
  REQUIRE(throws([] { return ::operator new(impossible, std::align_val_t{64}); }));
  REQUIRE(::operator new(impossible, std::nothrow) == nullptr);
  REQUIRE(::operator new[](impossible, std::nothrow) == nullptr);
  REQUIRE(::operator new(impossible, std::align_val_t{64}, std::nothrow) == nullptr);
  std::set_new_handler(handler);
  REQUIRE(throws([] { return ::operator new(impossible); }));
  REQUIRE(handler_calls == 3);
  handler_calls = 0;
  std::set_new_handler(handler);
  REQUIRE(::operator new(impossible, std::nothrow) == nullptr);
  REQUIRE(handler_calls == 3);
  std::vector<std::string> words;
  for (int i = 0; i < 20000; i++) words.push_back("a string that is longer than the short ones " + std::to_string(i));
  REQUIRE(words[19999].size() == 49);
  std::puts("all forms");
  return 0;
}
