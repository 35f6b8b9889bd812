/* lock.c - see lock.h.

   The futex calls are made here and not through os.h, which is a layer above. */
#include <config.h>

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock.h"
#include "message.h"

enum {
  SPIN_ROUNDS = 500,   /* longer than an interrupt takes, which the holder may be in: a fourth of the calls of 100 */
  FUTEX_WAIT_PRIVATE_OP = 0 | 128,   /* linux/futex.h: FUTEX_WAIT | FUTEX_PRIVATE_FLAG */
  FUTEX_WAKE_PRIVATE_OP = 1 | 128
};

#ifdef SYS_futex
#define FUTEX_CALL SYS_futex
#else
#define FUTEX_CALL SYS_futex_time64   /* 32-bit machines that never had the other one */
#endif

/* ---- ranks: one bit for each rank that the thread holds ---- */

#if HAKMEM_DEBUG
static __thread uint32_t held_ranks;

#define RANK_BIT(r) ((uint32_t)1 << (r))

static void note_acquire(const struct lock *lock) {
  uint32_t held = held_ranks;
  /* The locks of all heaps are held together by fork alone, which holds the list of them too. */
  if (lock->rank == RANK_HEAP && (held & RANK_BIT(RANK_HEAPS)))
    held &= ~RANK_BIT(RANK_HEAP);
  if (held >> lock->rank)
    message_fatal("lock of rank %u taken while ranks 0x%x are held", lock->rank, held_ranks);
  held_ranks |= RANK_BIT(lock->rank);
}

static void note_release(const struct lock *lock) {
  if (!(held_ranks & RANK_BIT(lock->rank)) && lock->rank != RANK_HEAP)
    message_fatal("lock of rank %u released by a thread that does not hold it", lock->rank);
  held_ranks &= ~RANK_BIT(lock->rank);
}

static void note_reset(const struct lock *lock) { held_ranks &= ~RANK_BIT(lock->rank); }

/* The start of the process's heap makes its system calls under RANK_START: nothing
   can proceed before it is done anyway. RANK_PROFILE: only samples wait. */
void lock_assert_none_held(void) {
  if (held_ranks & ~(RANK_BIT(RANK_START) | RANK_BIT(RANK_PROFILE)))
    message_fatal("system call while locks of ranks 0x%x are held", held_ranks);
}
#else
static void note_acquire(const struct lock *lock) { (void)lock; }
static void note_release(const struct lock *lock) { (void)lock; }
static void note_reset(const struct lock *lock) { (void)lock; }
void lock_assert_none_held(void) {}
#endif

/* ---- waiting ---- */

static void spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  compiler_barrier();
#endif
}

/* A filter may refuse the call: then the caller's loop spins. */
static HAK_COLD void wait_until_changed(uint32_t *word, uint32_t value) {
  int saved = errno;
  if (syscall(FUTEX_CALL, word, FUTEX_WAIT_PRIVATE_OP, value, NULL, NULL, 0) != 0)
    spin_hint();
  errno = saved;
}

static HAK_COLD void wake_one(uint32_t *word) {
  int saved = errno;
  (void)syscall(FUTEX_CALL, word, FUTEX_WAKE_PRIVATE_OP, 1, NULL, NULL, 0);
  errno = saved;
}

/* Most critical sections are a few dozen instructions: a short spin saves the sleep. */
static HAK_COLD void acquire_contended(struct lock *lock) {
  for (int round = 0; round < SPIN_ROUNDS; round++) {
    uint32_t expected = 0;
    if (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == 0 &&
        __atomic_compare_exchange_n(&lock->state, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      return;
    spin_hint();
  }
  /* From here on the lock is taken with state 2: the release that pairs with it wakes, perhaps needlessly. */
  while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
    wait_until_changed(&lock->state, 2);
}

/* Acquire: pairs with the release exchange in lock_release(). */
void lock_acquire(struct lock *lock) {
  note_acquire(lock);
  uint32_t expected = 0;
  if (unlikely(!__atomic_compare_exchange_n(&lock->state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED)))
    acquire_contended(lock);
}

bool lock_try(struct lock *lock) {
  uint32_t expected = 0;
  if (!__atomic_compare_exchange_n(&lock->state, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return false;
  note_acquire(lock);
  return true;
}

void lock_release(struct lock *lock) {
  note_release(lock);
  if (unlikely(__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2))
    wake_one(&lock->state);
}

/* Only the thread that called fork() exists: no order to keep with anybody. */
void lock_reset(struct lock *lock) {
  note_reset(lock);
  __atomic_store_n(&lock->state, 0, __ATOMIC_RELAXED);
}
