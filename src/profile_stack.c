/* profile_stack.c - who called. */
#include <config.h>
#include "profile_stack.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include "options.h"
#include "os.h"
#include "profile_unwind.h"
#include "thread.h"

/* Calls push the return address, and frame pointers lie right below it. */
#if defined(__x86_64__) || defined(__i386__)
enum { PUSHES = 1, CHAINS = 1 };
#elif defined(__aarch64__)
enum { PUSHES = 0, CHAINS = 1 };
#else
enum { PUSHES = 0, CHAINS = 0 };
#endif
enum { BASE_DISTANCE = 64 << 10 };   /* the outermost frame is that near to the base, the rest being the thread's variables */

extern void *__libc_stack_end __attribute__((weak));
/* The file header of the object that this is in. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((weak, visibility("hidden")));

static uintptr_t own_from, own_to;   /* the library's code, when it is an object of its own; set before the first stack */
static uintptr_t first_thread;       /* its id, 0 until it starts profiling; atomic, relaxed */

/* Linked into a program it cannot be told from it. */
static void find_own_code(void) {
  const ElfW(Ehdr) *header = &__ehdr_start;
  if (header == NULL) return;
  const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(const void *)((const char *)header + header->e_phoff);
  if ((uintptr_t)segment == getauxval(AT_PHDR)) return;
  for (unsigned i = 0; i < header->e_phnum; i++)
    if (segment[i].p_type == PT_LOAD && (segment[i].p_flags & PF_X) != 0) {
      own_from = (uintptr_t)header + segment[i].p_vaddr;
      own_to = own_from + segment[i].p_memsz;
    }
}

void profile_stack_init(void) {
  find_own_code();
  if (os_is_first_thread()) __atomic_store_n(&first_thread, thread_id(), __ATOMIC_RELAXED);
}

static bool is_own(uintptr_t address) { return address - own_from < own_to - own_from; }

/* The frames of one stack, those of the library too. */
struct walk {
  struct profile_memory *memory;   /* what was */
  unsigned seen;                   /* of it, the frames further inside */
  uintptr_t start;
  bool plain;                      /* every return address is where it should be */
  bool outside;                    /* the library has been left */
  bool known;                      /* the rest was remembered */
  unsigned depth;
  uintptr_t address[PROFILE_FRAMES_MAX + PROFILE_OWN_FRAMES], slot[PROFILE_FRAMES_MAX + PROFILE_OWN_FRAMES];
};
enum { DEPTH_MAX = PROFILE_FRAMES_MAX + PROFILE_OWN_FRAMES };

/* Of the thread's own stack. */
static __attribute__((no_sanitize("address", "thread"))) uintptr_t word_at(uintptr_t place) {
  return *(const volatile uintptr_t *)place;
}

/* The frames of memory from that one on are still there. */
static bool unchanged(const struct profile_memory *memory, unsigned from) {
  for (unsigned i = from; i < memory->depth; i++)
    if (word_at(memory->slot[i]) != memory->address[i]) return false;
  return true;
}

static bool add(struct walk *walk, uintptr_t address, uintptr_t slot) {
  walk->address[walk->depth] = address;
  walk->slot[walk->depth++] = slot;
  if (!is_own(address)) walk->outside = true;
  return walk->depth < DEPTH_MAX;
}

/* If this frame is remembered, and all outside of it: they are added. */
static bool add_remembered(struct walk *walk, uintptr_t address, uintptr_t slot) {
  const struct profile_memory *memory = walk->memory;
  while (walk->seen < memory->depth && memory->slot[walk->seen] < slot) walk->seen++;
  unsigned i = walk->seen;
  if (i == memory->depth || memory->slot[i] != slot || memory->address[i] != address) return false;
  if (walk->depth + memory->depth - i > DEPTH_MAX || !unchanged(memory, i)) return false;
  for (; i < memory->depth; i++) add(walk, memory->address[i], memory->slot[i]);
  return walk->known = true;
}

/* Where frames begin with the one before them; within the thread's own stack. */
static void follow_chain(struct walk *walk, uintptr_t pointer, uintptr_t end) {
  while (walk->depth < DEPTH_MAX && pointer % sizeof pointer == 0 && pointer > walk->start && pointer < end) {
    uintptr_t next = word_at(pointer), address = word_at(pointer + sizeof pointer);
    if (address == 0) return;
    add(walk, address, pointer + sizeof pointer);
    if (next <= pointer) return;
    pointer = next;
  }
}

static bool visit(void *context, const struct profile_frame *frame) {
  struct walk *walk = context;
  uintptr_t slot = frame->end - sizeof(uintptr_t);
  if (frame->end <= walk->start) return true;   /* called by profile_stack_take */
  if (!PUSHES || frame->interrupted) walk->plain = false;
  if (walk->plain && add_remembered(walk, frame->address, slot)) return false;
  if (!add(walk, frame->address, slot)) return false;
  uintptr_t lowest = walk->memory->lowest;
  if (option.profile_unwind != PROFILE_UNWIND_FRAME_POINTERS || !CHAINS || !walk->outside || lowest == 0 ||
      walk->start < lowest) return true;
  walk->plain = false;
  follow_chain(walk, frame->pointer, walk->memory->slot[walk->memory->depth - 1]);
  return false;
}

/* Where the thread's own stack begins: behind it are its variables, or the program's arguments. The variables of the
   first thread lie elsewhere, and the stack of a coroutine, which goes when it ends, may lie before them. As long as that
   thread is not known nobody's are looked for. */
static bool is_base(uintptr_t end) {
  uintptr_t main_base = &__libc_stack_end == NULL ? 0 : (uintptr_t)__libc_stack_end + 2 * sizeof(uintptr_t);
  uintptr_t base = thread_id(), first = __atomic_load_n(&first_thread, __ATOMIC_RELAXED);
  if (main_base - end < BASE_DISTANCE) return true;
  return first != 0 && base != first && base > end && base - end < BASE_DISTANCE;
}

/* For the thread's next sample. */
static void remember(const struct walk *walk) {
  struct profile_memory *memory = walk->memory;
  if (!walk->plain || walk->depth == 0 || walk->depth == DEPTH_MAX) return;
  if (!walk->known && !is_base(walk->slot[walk->depth - 1])) return;
  if (memory->lowest == 0 || walk->start < memory->lowest) memory->lowest = walk->start;
  memory->start = walk->start;
  memory->depth = walk->depth;
  __builtin_memcpy(memory->address, walk->address, walk->depth * sizeof walk->address[0]);
  __builtin_memcpy(memory->slot, walk->slot, walk->depth * sizeof walk->slot[0]);
}

static void leave_out_own(struct profile_stack *stack, const uintptr_t *address, unsigned depth) {
  unsigned own = 0;
  while (own < depth && is_own(address[own])) own++;
  if (own == depth) own = 0;
  stack->depth = depth - own < PROFILE_FRAMES_MAX ? depth - own : PROFILE_FRAMES_MAX;
  __builtin_memcpy(stack->frame, address + own, stack->depth * sizeof stack->frame[0]);
}

void profile_stack_forget(struct profile_memory *memory) {
  memory->depth = 0;
  memory->lowest = 0;
}

void profile_stack_take(struct profile_stack *stack, struct profile_memory *memory) {
  uintptr_t start = (uintptr_t)__builtin_frame_address(0);
  if (memory->depth != 0 && memory->start == start && unchanged(memory, 0)) {
    leave_out_own(stack, memory->address, memory->depth);
    return;
  }
  struct walk walk;
  walk.memory = memory;
  walk.seen = walk.depth = 0;
  walk.start = start;
  walk.plain = true;
  walk.outside = walk.known = false;
  profile_unwind(visit, &walk);
  leave_out_own(stack, walk.address, walk.depth);
  remember(&walk);
}
