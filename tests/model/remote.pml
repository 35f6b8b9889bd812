/* remote.pml - the protocol of src/remote.h, src/abandoned.c and heap_close() as a model for spin.

   Run by tests/model/run; by hand:  spin -a remote.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m200000 -w24
   Modelled: the remote word with its flags, the pending stacks, hand-over, drain, EMPTY slabs that are kept,
   destruction and a next life of the descriptor, abandonment, adoption, the claim by the last pusher, heaps that
   are closed and opened again. Each atomic access of the program is a step; critical sections are
   not. Memory is sequentially consistent here: the orders are argued in the sources.
   Actors: an owner that exits, another thread that opens a heap (a new one, or the first's), adopts or makes a
   slab, and exits too, and PUSHERS that free whatever block is live, alone or as a chain.
   Claims: no block is lost or comes back twice; a slab is destroyed only with all blocks back, and once; PENDING is
   set exactly as long as there is one reference; at the end, all blocks being back and all threads gone, no
   slab is left. MUTANT=n breaks the protocol in one place: each must be found. */

#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef SLABS
#define SLABS 1
#endif
#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef ALLOCS
#define ALLOCS 1          /* blocks that a thread allocates, besides those that are live at the start */
#endif
#ifndef LIVES
#define LIVES 2           /* lives of a descriptor */
#endif
#ifndef MUTANT
#define MUTANT 0
#endif
#define ALL ((1 << BLOCKS) - 1)
#define NIL 15
#define CLOSED 14
#define HEAPS 2

typedef slab_t {
  /* the remote word: always accessed in one step */
  bit abandoned, pending;
  byte list;                       /* mask of blocks; the count is its number of bits */
  byte heap, pending_next;
  byte abandoned_used;
  /* owner */
  byte free, used;
  bit current, dead;
  /* bookkeeping of the proof */
  byte live;                       /* blocks that the program has */
  byte out;                        /* those, and those in a pusher's hands */
  byte references, lives;
  byte moving                      /* threads about to set PENDING again, or to take the list */
}
slab_t slab[SLABS];
byte heap_pending[HEAPS];
bit heap_in_use[HEAPS];
bit abandoned_lock;
byte threads = 2;                  /* that may still allocate */

#define bits(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1))
#define lock() atomic { abandoned_lock == 0 -> abandoned_lock = 1 }
#define unlock() abandoned_lock = 0

/* Scratch of a process; each inline leaves what it does not need at 0, to keep the states few. */
#define SCRATCH byte h, top, old; bit old_abandoned, was, whole; byte mask

inline drop_reference(s) { assert(slab[s].references == 1); slab[s].references = 0; slab[s].pending = 0 }
inline take_reference(s) { assert(slab[s].references == 0); slab[s].references = 1; slab[s].pending = 1 }

/* Blocks for an owner: it is told of them, or will be. */
#define told(s) assert(slab[s].list == 0 || slab[s].abandoned || slab[s].pending || slab[s].moving != 0)

/* slab_destroy() */
inline destroy(s) {
  atomic {
    assert(!slab[s].dead && slab[s].out == 0 && slab[s].list == 0 && !slab[s].abandoned);
    slab[s].heap = NIL
  }
  atomic { slab[s].free = 0; slab[s].used = 0; slab[s].current = 0; slab[s].dead = 1 }
}

/* take_if_whole(), under the lock, on the word as of now */
inline take_if_whole(s) {
  d_step {
    whole = slab[s].abandoned && bits(slab[s].list) == slab[s].abandoned_used;
    if
    :: whole -> slab[s].abandoned = 0; slab[s].list = 0
    :: else
    fi
  }
}

inline claim(s) {
  lock();
  take_if_whole(s);
  unlock();
  if
  :: whole -> whole = 0; destroy(s)
  :: else
  fi
}

/* remote_hand_over() with push_pending() */
inline hand_over(s) {
  do
  :: h = slab[s].heap;
     if
     :: h != NIL ->
        do
        :: top = heap_pending[h];
           if
           :: top == CLOSED -> break
           :: else -> slab[s].pending_next = top
           fi;
           atomic {
             if
             :: heap_pending[h] == top -> heap_pending[h] = s; was = 1; break
             :: else
             fi
           }
        od;
        top = 0
     :: else
     fi;
     h = 0;
     if
     :: was -> was = 0; break
     :: else
     fi;
     d_step {
       old = slab[s].list;
       old_abandoned = slab[s].abandoned;
       drop_reference(s);
       slab[s].moving = slab[s].moving + (!old_abandoned && old != 0)
     }
     if
     :: old_abandoned -> old_abandoned = 0; old = 0; claim(s); break
     :: !old_abandoned && old == 0 -> break
     :: else -> old = 0
     fi;
#if MUTANT == 1
     slab[s].moving--;
     break;
#endif
     d_step {
       slab[s].moving--;
       if
       :: slab[s].pending -> was = 1
       :: else -> take_reference(s)
       fi
     }
     if
     :: was -> was = 0; break
     :: else
     fi
  od;
  told(s)
}

/* push_chain(): mask holds the blocks */
inline push_chain(s) {
  d_step {
    assert((slab[s].list & mask) == 0 && (slab[s].free & mask) == 0 && (slab[s].out & mask) == mask);
    slab[s].out = slab[s].out & ~mask;
    slab[s].list = slab[s].list | mask;
    mask = 0;
    old = slab[s].list;
    old_abandoned = slab[s].abandoned;
    was = slab[s].pending;
    if
    :: !old_abandoned && !was -> take_reference(s)
    :: else
    fi
  }
  if
  :: old_abandoned ->
     old_abandoned = 0; was = 0;
     if
#if MUTANT != 2
     :: bits(old) == slab[s].abandoned_used -> old = 0; claim(s)
#endif
     :: else -> old = 0
     fi
  :: else ->
     old = 0;
     if
     :: was -> was = 0
     :: else -> hand_over(s)
     fi
  fi
}

proctype pusher() {
  SCRATCH;
  byte s;
  do
  :: atomic {
       if
       :: slab[0].live != 0 -> s = 0
#if SLABS > 1
       :: slab[1].live != 0 -> s = 1
#endif
       :: threads == 0 && slab[0].live == 0 && slab[SLABS - 1].live == 0 -> break
       fi;
       if   /* one of them, or all: a batch */
       :: mask = slab[s].live
       :: slab[s].live & 1 -> mask = 1
       :: slab[s].live & 2 -> mask = 2
#if BLOCKS > 2
       :: slab[s].live & 4 -> mask = 4
#endif
       fi;
       slab[s].live = slab[s].live & ~mask
     }
     push_chain(s);
     s = 0
  od
}

/* remote_take(); result in old */
inline take_list(s, settled) {
  d_step {
    old = slab[s].list;
    slab[s].list = 0;
    if
    :: settled -> drop_reference(s)
    :: else
    fi;
    assert((slab[s].free & old) == 0);
    slab[s].free = slab[s].free | old
  }
}

/* A slab that is not current has used == 0: kept, since PENDING is set or as the heap likes, or destroyed. */
inline after_frees(s) {
  if
  :: slab[s].used == 0 ->
     if
     :: mine = mine | (1 << s)   /* EMPTY */
#if MUTANT != 3
     :: !slab[s].pending -> mine = mine & ~(1 << s); destroy(s)
#else
     :: mine = mine & ~(1 << s); slab[s].pending = 0; destroy(s)
#endif
     fi
  :: else
  fi
}

/* drain_locked() and finish(): the hand-overs are made after the lock is released, which is the owner's own. */
inline drain(me) {
  if
  :: private == NIL -> atomic { private = heap_pending[me]; heap_pending[me] = NIL }
  :: else
  fi;
  do
  :: private == NIL -> break
  :: else ->
     s = private;
     private = slab[s].pending_next;
     if
#if MUTANT != 4
     :: slab[s].heap != me -> slab[s].pending_next = left; left = s
#endif
     :: else ->
        take_list(s, true);
        if
        :: old != 0 && !slab[s].current -> slab[s].used = slab[s].used - bits(old); old = 0; after_frees(s)
        :: else -> old = 0
        fi
     fi
  od;
  hand_over_chain()
}

inline hand_over_chain() {
  do
  :: left == NIL -> break
  :: else -> s = left; left = slab[s].pending_next; hand_over(s)
  od;
  s = 0
}

/* abandoned_add() */
inline abandon(s) {
  lock();
  slab[s].abandoned_used = slab[s].used;
#if MUTANT != 5
  slab[s].heap = NIL;
#endif
  slab[s].abandoned = 1;
  take_if_whole(s);
  unlock();
  if
  :: whole -> whole = 0; chain = chain | (1 << s)
  :: else
  fi
}

/* give_up_slabs() and the rest of heap_close() */
inline give_up(s) {
  if
  :: mine & (1 << s) ->
     mine = mine & ~(1 << s);
     if
     :: slab[s].current -> slab[s].current = 0; slab[s].used = BLOCKS - bits(slab[s].free)
     :: else
     fi;
     take_list(s, false);
     slab[s].used = slab[s].used - bits(old);
     old = 0;
     if
     :: slab[s].used == 0 -> chain = chain | (1 << s)
     :: else -> abandon(s)
     fi
  :: else
  fi
}

inline close_heap(me) {
  give_up(0);
#if SLABS > 1
  give_up(1);
#endif
  atomic { left = heap_pending[me]; heap_pending[me] = CLOSED }
  if
  :: chain & 1 -> destroy(0)
  :: else
  fi;
#if SLABS > 1
  if
  :: chain & 2 -> destroy(1)
  :: else
  fi;
#endif
  chain = 0;
#if MUTANT != 6
  hand_over_chain();
#endif
  left = private;
  private = NIL;
  hand_over_chain();
  heap_in_use[me] = 0
}

/* abandoned_adopt(), next_slab(), make_current(); or slab_create() on a free span */
inline adopt(s, me) {
  lock();
  if
  :: slab[s].abandoned ->
     slab[s].used = slab[s].abandoned_used;
     slab[s].heap = me;
     d_step { slab[s].abandoned = 0; slab[s].moving++ }
     unlock();
     mine = mine | (1 << s);
#if MUTANT != 7
     take_list(s, false);
#endif
     old = 0;
     slab[s].moving--;
     told(s);
     slab[s].current = 1
  :: else -> unlock()
  fi
}

inline create(s, me) {
  atomic {   /* the span is this thread's from here on */
    if
    :: slab[s].dead && slab[s].lives < LIVES ->
       slab[s].dead = 0; slab[s].lives++; was = 1;
       assert(slab[s].list == 0 && !slab[s].abandoned && slab[s].out == 0)
    :: else
    fi
  }
  if
  :: was -> was = 0; slab[s].heap = me; slab[s].free = ALL; slab[s].current = 1; mine = mine | (1 << s)
  :: else
  fi
}

/* What an owner does with a slab of its own. */
inline use(s) {
  if
  :: slab[s].current && slab[s].free == 0 ->
     take_list(s, false);
     if
     :: old == 0 -> slab[s].current = 0; slab[s].used = BLOCKS
     :: else -> old = 0
     fi
  :: slab[s].current && slab[s].free != 0 && allocs > 0 ->
     atomic {
       allocs--;
       mask = slab[s].free & ~(slab[s].free - 1);
       assert((slab[s].out & mask) == 0);
       slab[s].free = slab[s].free & ~mask;
       slab[s].out = slab[s].out | mask;
       slab[s].live = slab[s].live | mask;
       mask = 0
     }
  :: !slab[s].current && slab[s].free != 0 -> slab[s].current = 1
  :: !slab[s].current && slab[s].used == 0 -> after_frees(s)
  :: atomic {   /* its own free */
       slab[s].live != 0 ->
       mask = slab[s].live & ~(slab[s].live - 1);
       slab[s].live = slab[s].live & ~mask;
       slab[s].out = slab[s].out & ~mask;
       slab[s].free = slab[s].free | mask;
       mask = 0
     }
     if
     :: slab[s].current
     :: else -> slab[s].used--; after_frees(s)
     fi
  :: else
  fi
}

#define OWNED(i) (mine & (1 << i))
#define THREAD SCRATCH; byte s, left = NIL, private = NIL, mine, chain, allocs = ALLOCS

inline work(me) {
  do
  :: heap_pending[me] != NIL -> drain(me)
  :: OWNED(0) -> use(0)
#if SLABS > 1
  :: OWNED(1) -> use(1)
#endif
  :: break
  od
}

proctype owner() {
  THREAD;
  mine = (1 << SLABS) - 1;
  work(0);
  close_heap(0);
  threads--
}

proctype other() {
  THREAD;
  byte me = 1;
  if
  :: heap_in_use[0] == 0 -> me = 0
  :: skip
  fi;
  heap_in_use[me] = 1;
  heap_pending[me] = NIL;
  do
  :: !OWNED(0) -> adopt(0, me)
  :: !OWNED(0) && slab[0].dead && slab[0].lives < LIVES -> create(0, me)
#if SLABS > 1
  :: !OWNED(1) -> adopt(1, me)
#endif
  :: work(me); break
  od;
  close_heap(me);
  threads--
}

init {
  byte i;
  atomic {
    do
    :: i < SLABS ->
       slab[i].heap = 0; slab[i].current = 1; slab[i].lives = 1; slab[i].live = ALL; slab[i].out = ALL;
       slab[i].pending_next = NIL; i++
    :: else -> break
    od;
    heap_in_use[0] = 1; heap_pending[0] = NIL; heap_pending[1] = CLOSED;
    run owner(); run other();
    i = 0;
    do
    :: i < PUSHERS -> run pusher(); i++
    :: else -> break
    od
  }
  _nr_pr == 1;
  i = 0;
  do
  :: i < SLABS ->
     assert(slab[i].dead && slab[i].out == 0);
     assert(slab[i].references == 0 && !slab[i].pending);
     i++
  :: else -> break
  od
}
