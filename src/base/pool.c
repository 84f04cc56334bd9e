/* base/pool.c - the thread pool.
 *
 * A loop in flight sits in one of a few static slots. Its unclaimed part is one 64-bit word: the loop's
 * generation and the range [low, high) of pieces left. The caller takes from the low end, workers from the high
 * end, each by one compare-and-swap; because the generation is part of the word, a worker that comes late, after
 * the loop has ended and the slot serves another, fails to claim and touches nothing. So nobody waits for it.
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

enum {
    MAX_SLOTS = 32,      /* loops in flight; one more runs inline */
    MAX_WORKERS = 63,
    MAX_PIECES = 0xffff, /* 16 bits each for low and high */
    YIELD_AFTER_NS = 20 * 1000,
    SLEEP_AFTER_NS = 1000 * 1000,
    PAUSES_PER_LOOK = 64,
};

typedef void (*chunk_fn)(void *arg, int64_t i);

typedef struct slot {
    _Alignas(64) atomic_bool taken;
    atomic_uint_least64_t range; /* generation << 32 | low << 16 | high */
    atomic_uint_least64_t seats; /* generation << 32 | workers that may still join */
    atomic_uint_least64_t finished; /* pieces that workers have run to the end */
    atomic_bool caller_sleeps;
    /* The loop. Written before `range` is published, read by workers before they claim: atomics, since a late
     * worker may read while the next loop writes (and then fails to claim). */
    _Atomic(chunk_fn) fn;
    _Atomic(void *) arg;
    atomic_int_least64_t count, chunks_per_piece;
} slot;

static slot slots[MAX_SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER; /* workers wait for loops */
static pthread_cond_t done = PTHREAD_COND_INITIALIZER; /* callers wait for the last piece */
static atomic_int workers, sleepers;

static _Thread_local bool inside; /* running a chunk: nested loops run inline */
static _Thread_local slot *own;   /* the slot of the loop that this thread called, for fork */

/* ---- waiting -------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Counts the rounds of a waiting loop. Spins, then yields; false when it is time to sleep. */
typedef struct patience {
    int64_t since;
    int round;
} patience;

static bool wait_a_little(patience *p)
{
    int64_t waited;

    pause_briefly();
    if (++p->round % PAUSES_PER_LOOK != 0) return true;
    if (p->since == 0) {
        p->since = now_ns();
        return true;
    }
    waited = now_ns() - p->since;
    if (waited > YIELD_AFTER_NS) sched_yield();
    return waited < SLEEP_AFTER_NS;
}

/* ---- pieces ----------------------------------------------------------------------------- */

static uint64_t pack(uint64_t generation, uint64_t low, uint64_t high)
{
    return generation << 32 | low << 16 | high;
}

static void run_piece(chunk_fn fn, void *arg, int64_t count, int64_t per_piece, int64_t piece)
{
    const int64_t begin = piece * per_piece, end = count - begin < per_piece ? count : begin + per_piece;

    for (int64_t i = begin; i < end; i++) fn(arg, i);
}

/* The caller's side: the next piece from the low end, -1 when none is left. */
static int64_t claim_low(slot *s)
{
    uint64_t range = atomic_load_explicit(&s->range, memory_order_relaxed);

    for (;;) {
        const uint64_t low = range >> 16 & MAX_PIECES, high = range & MAX_PIECES;

        if (low >= high) return -1;
        if (atomic_compare_exchange_weak_explicit(&s->range, &range, pack(range >> 32, low + 1, high),
                                                  memory_order_acq_rel, memory_order_relaxed))
            return (int64_t)low;
    }
}

/* A worker's side: claims one piece of loop `generation` from the high end and runs it. */
static bool help_once(slot *s, uint64_t generation)
{
    uint64_t range = atomic_load_explicit(&s->range, memory_order_acquire);
    const chunk_fn fn = atomic_load_explicit(&s->fn, memory_order_relaxed);
    void *arg = atomic_load_explicit(&s->arg, memory_order_relaxed);
    const int64_t count = atomic_load_explicit(&s->count, memory_order_relaxed);
    const int64_t per_piece = atomic_load_explicit(&s->chunks_per_piece, memory_order_relaxed);

    for (;;) {
        const uint64_t low = range >> 16 & MAX_PIECES, high = range & MAX_PIECES;

        if (range >> 32 != generation || low >= high) return false;
        if (!atomic_compare_exchange_weak_explicit(&s->range, &range, pack(generation, low, high - 1),
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        run_piece(fn, arg, count, per_piece, (int64_t)high - 1);
        atomic_fetch_add(&s->finished, 1);
        if (atomic_load(&s->caller_sleeps)) {
            pthread_mutex_lock(&lock);
            pthread_cond_broadcast(&done);
            pthread_mutex_unlock(&lock);
        }
        return true;
    }
}

/* Joins a loop that has a seat left and helps until no piece is. False when there was nothing to join. */
static bool join_loop(slot *s)
{
    uint64_t seats = atomic_load(&s->seats);
    const uint64_t range = atomic_load(&s->range);

    if ((range >> 16 & MAX_PIECES) >= (range & MAX_PIECES)) return false;
    do {
        if ((seats & 0xffffffffu) == 0 || seats >> 32 != range >> 32) return false;
    } while (!atomic_compare_exchange_weak(&s->seats, &seats, seats - 1));
    while (help_once(s, seats >> 32)) {}
    return true;
}

/* ---- workers ------------------------------------------------------------------------------ */

static bool help_anyone(int first)
{
    bool helped = false;

    for (int i = 0; i < MAX_SLOTS; i++) helped |= join_loop(&slots[(first + i) % MAX_SLOTS]);
    return helped;
}

static bool work_waits(void)
{
    for (int i = 0; i < MAX_SLOTS; i++) {
        const uint64_t range = atomic_load(&slots[i].range), seats = atomic_load(&slots[i].seats);

        if ((range >> 16 & MAX_PIECES) < (range & MAX_PIECES) && (seats & 0xffffffffu) != 0 && seats >> 32 == range >> 32)
            return true;
    }
    return false;
}

static void *worker_main(void *arg)
{
    const int first = (int)(intptr_t)arg;
    patience p = { 0 };

    inside = true;
    for (;;) {
        if (help_anyone(first)) {
            p = (patience){ 0 };
            continue;
        }
        if (wait_a_little(&p)) continue;
        pthread_mutex_lock(&lock);
        atomic_fetch_add(&sleepers, 1);
        while (!work_waits()) pthread_cond_wait(&work, &lock);
        atomic_fetch_sub(&sleepers, 1);
        pthread_mutex_unlock(&lock);
        p = (patience){ 0 };
    }
    return NULL;
}

/* Signals are the program's business: workers take none. A worker that cannot be made is done without. */
static void add_workers(int wanted)
{
    sigset_t all, before;
    pthread_attr_t attr;

    if (wanted > MAX_WORKERS) wanted = MAX_WORKERS;
    if (atomic_load_explicit(&workers, memory_order_relaxed) >= wanted) return;
    sigfillset(&all);
    pthread_mutex_lock(&lock);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_attr_init(&attr) == 0) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        for (int i = atomic_load(&workers); i < wanted; i++) {
            pthread_t thread;

            if (pthread_create(&thread, &attr, worker_main, (void *)(intptr_t)i) != 0) break;
            pthread_setname_np(thread, "evenkeel");
            atomic_store(&workers, i + 1);
        }
        pthread_attr_destroy(&attr);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_unlock(&lock);
}

/* ---- fork --------------------------------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* The child has this thread alone: no workers, and no loop but one that this thread itself is in. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&work, NULL);
    pthread_cond_init(&done, NULL);
    atomic_store(&workers, 0);
    atomic_store(&sleepers, 0);
    for (int i = 0; i < MAX_SLOTS; i++) {
        slot *s = &slots[i];
        const uint64_t generation = atomic_load(&s->range) >> 32;

        if (s == own) continue;
        atomic_store(&s->range, pack(generation, 0, 0));
        atomic_store(&s->seats, pack(generation, 0, 0));
        atomic_store(&s->caller_sleeps, false);
        atomic_store(&s->taken, false);
    }
}

static void install_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static slot *take_slot(void)
{
    for (int i = 0; i < MAX_SLOTS; i++)
        if (!atomic_load_explicit(&slots[i].taken, memory_order_relaxed) && !atomic_exchange(&slots[i].taken, true))
            return &slots[i];
    return NULL;
}

static void publish(slot *s, int64_t pieces, int64_t count, int64_t per_piece, chunk_fn fn, void *arg, int helpers)
{
    const uint64_t generation = ((atomic_load_explicit(&s->range, memory_order_relaxed) >> 32) + 1) & 0xffffffffu;

    atomic_store_explicit(&s->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&s->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&s->count, count, memory_order_relaxed);
    atomic_store_explicit(&s->chunks_per_piece, per_piece, memory_order_relaxed);
    atomic_store_explicit(&s->finished, 0, memory_order_relaxed);
    atomic_store_explicit(&s->seats, generation << 32 | (uint64_t)helpers, memory_order_release);
    atomic_store(&s->range, pack(generation, 0, (uint64_t)pieces)); /* before the look at sleepers: both in one order */
    if (atomic_load(&sleepers) > 0) {
        pthread_mutex_lock(&lock);
        if (helpers == 1) {
            pthread_cond_signal(&work);
        } else {
            pthread_cond_broadcast(&work);
        }
        pthread_mutex_unlock(&lock);
    }
}

/* Until workers have finished what they claimed. */
static void wait_for(slot *s, uint64_t claimed)
{
    patience p = { 0 };

    while (atomic_load(&s->finished) < claimed) {
        if (wait_a_little(&p)) continue;
        pthread_mutex_lock(&lock);
        atomic_store(&s->caller_sleeps, true);
        while (atomic_load(&s->finished) < claimed) pthread_cond_wait(&done, &lock);
        atomic_store(&s->caller_sleeps, false);
        pthread_mutex_unlock(&lock);
    }
}

void ek__parallel_for(int threads, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    const int64_t per_piece = n > MAX_PIECES ? (n - 1) / MAX_PIECES + 1 : 1;
    int64_t pieces, mine = 0, piece;
    slot *s = NULL;

    if (!inside && threads > 1 && n > 1) s = take_slot();
    if (s == NULL) {
        for (int64_t i = 0; i < n; i++) fn(arg, i);
        return;
    }
    pieces = (n - 1) / per_piece + 1;
    if (threads > MAX_WORKERS + 1) threads = MAX_WORKERS + 1;
    if (threads > pieces) threads = (int)pieces;
    pthread_once(&once, install_fork_handlers);
    add_workers(threads - 1);
    own = s;
    inside = true;
    publish(s, pieces, n, per_piece, fn, arg, threads - 1);
    while ((piece = claim_low(s)) >= 0) {
        run_piece(fn, arg, n, per_piece, piece);
        mine++;
    }
    wait_for(s, (uint64_t)(pieces - mine));
    inside = false;
    own = NULL;
    atomic_store_explicit(&s->taken, false, memory_order_release);
}
