/* ace_decide.h - what the adaptive controller decides. Layer 4.

   Pure: no clock, no counter, no lock, no setting; the same samples give the same decisions.

   Free memory that is kept costs rent: its bytes, for as long as they lie idle. What is given back and wanted again has to be bought
   back: a fault for each page. HAKMEM_ACE_KEEP_MS is the price in the one coin that both are counted in: a byte faulted
   again is worth as much as that byte kept idle for so many milliseconds (ski rental). Cost, in bytes: (rent + bought) / time,
   that is, the mean of what lies idle and the like of what was faulted again.

   Each of two ladders, free pages and kept mappings, has rungs that each keep twice as much, twice as long, as the one below. The
   controller climbs: when one of both parts of the cost is clearly the larger, it tries a rung that lowers it, lets things settle
   for a window, measures, and stays if the cost is clearly lower; else it goes back, and waits twice as long as before until it
   tries that way again, a rung further: keeping a little longer gains nothing where all comes back after the same while. Turns are
   braked likewise, so no series of samples makes it swing. */
#ifndef HAKMEM_ACE_DECIDE_H
#define HAKMEM_ACE_DECIDE_H

#include "knobs.h"

enum ace_ladder_name { ACE_PAGES, ACE_MAPPINGS, ACE_LADDERS };
enum {
  ACE_RUNG_MIN = -3, ACE_RUNG_MAX = 6,
  ACE_WINDOW_MS = 250,              /* what is decided on is summed up over so long, at least */
  ACE_GAP_MS = 10000,               /* nobody looked for longer: the process slept, or the clock jumped. No conclusions */
  ACE_WORTH = 512 << 10,            /* bytes of cost that are not worth a trial */
  ACE_JUMP_MAX = 4,                 /* rungs in one trial */
  ACE_WAIT_MIN_MS = 1000, ACE_WAIT_MAX_MS = 1 << 19
};

/* Constant after the start. */
struct ace_bounds {
  long base[KNOB_COUNT];            /* rung 0 */
  uint64_t keep_ms;                 /* the price, 1 to 60000 */
  long delay_max_ms, idle_max;      /* no knob goes beyond, unless its base does */
  bool fixed[ACE_LADDERS];          /* the options leave nothing to choose */
  bool frozen;                      /* says what it would try, tries nothing */
};

/* Sums since some moment, but for idle. They may wrap. */
struct ace_counts {
  uint64_t idle;                    /* bytes kept free at this moment */
  uint64_t refaulted;               /* bytes given back that were wanted again */
  uint64_t activity;                /* requests that pages, or mappings, were taken for */
};
struct ace_sample {
  uint64_t now_ms;
  bool pressed;                     /* the memory limit is near */
  struct ace_counts of[ACE_LADDERS];
};

enum ace_reason {
  ACE_NOTHING,                      /* nothing to say */
  ACE_TRIES_MORE, ACE_TRIES_LESS,   /* a trial begins */
  ACE_WOULD_MORE, ACE_WOULD_LESS,   /* frozen */
  ACE_STAYS,                        /* a trial paid */
  ACE_GOES_BACK,                    /* it did not */
  ACE_UNCLEAR,                      /* the program did something else meanwhile: back */
  ACE_PRESSED                       /* the memory limit is near: back to rung 0 */
};

/* What one window said, and what came of it. */
struct ace_decision {
  enum ace_reason reason;
  int rung;                         /* from now on */
  uint64_t elapsed_ms, idle, refaulted;   /* idle: mean */
  uint64_t cost, cost_before;       /* before: of the rung that the trial left; 0: not known */
};

enum ace_phase { ACE_RESTS, ACE_SETTLES, ACE_MEASURES };
/* Since the last trial that paid: when the next may be, how long then, by how many rungs. */
struct ace_way { uint64_t not_before_ms, wait_ms; int jump; };
/* Means of so many windows, by window: bytes; sixteenths of a request; the square of the cost in KiB. */
struct ace_mean { uint64_t rent, bought, activity, square; unsigned windows; };
/* What may happen at any time, but ever more seldom when it happens often. */
struct ace_brake { uint64_t last_ms, wait_ms; };
struct ace_ladder {
  struct ace_counts before;         /* at the last look */
  uint64_t rent, bought, activity;  /* of this window so far: byte ms, byte ms, requests */
  int rung, left;                   /* left: where the trial came from */
  enum ace_phase phase;
  unsigned repeats;                 /* of the trial: measured again */
  struct ace_mean mean, trial;      /* of the rung at rest, recent windows count for more; of the trial */
  struct ace_mean lately;           /* at rest, the last few */
  struct ace_way way[2];            /* up, down */
  int last_way;                     /* the way of the last trial that paid, -1: none has */
  struct ace_brake turn;            /* a trial paid the other way than the one before */
  struct ace_brake shock;           /* the cost was a multiple of what it had been */
};
struct ace_state {
  struct ace_ladder ladder[ACE_LADDERS];
  uint64_t last_ms, window_ms;      /* the last look; when this window began */
  bool begun;
};

/* All zero is a fresh state. True: a window is complete, decision[] tells of both ladders. */
bool ace_see(struct ace_state *state, const struct ace_bounds *bounds, const struct ace_sample *sample,
             struct ace_decision decision[ACE_LADDERS]);
/* What the rungs mean. */
void ace_settings(const struct ace_bounds *bounds, int pages_rung, int mappings_rung, long knobs[KNOB_COUNT]);
const char *ace_reason_text(enum ace_reason reason);

#endif
