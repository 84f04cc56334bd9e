/* kernels/philox.h - Philox 4x32-10, the counter-based generator behind every random op (Salmon et al., 2011).
 *
 * A generator is a counter and a key; block n of its stream is a function of counter + n,
 * so that any part of a tensor can be filled without the parts before it.
 */
#ifndef EK_KERNELS_PHILOX_H
#define EK_KERNELS_PHILOX_H

#include <stdint.h>

typedef struct ek_philox {
    uint32_t counter[4]; /* least significant word first */
    uint32_t key[2];
} ek_philox;

static inline ek_philox ek__philox(uint64_t seed, uint64_t seed2)
{
    return (ek_philox){ { 0, 0, (uint32_t)seed2, (uint32_t)(seed2 >> 32) }, { (uint32_t)seed, (uint32_t)(seed >> 32) } };
}

/* Moves on by n blocks. */
static inline void ek__philox_skip(ek_philox *p, uint64_t n)
{
    uint64_t low = (uint64_t)p->counter[1] << 32 | p->counter[0], high = (uint64_t)p->counter[3] << 32 | p->counter[2];

    low += n;
    high += low < n;
    p->counter[0] = (uint32_t)low;
    p->counter[1] = (uint32_t)(low >> 32);
    p->counter[2] = (uint32_t)high;
    p->counter[3] = (uint32_t)(high >> 32);
}

/* The four words of the block that the counter stands at. */
static inline void ek__philox_block(const ek_philox *p, uint32_t word[4])
{
    uint32_t c0 = p->counter[0], c1 = p->counter[1], c2 = p->counter[2], c3 = p->counter[3];
    uint32_t k0 = p->key[0], k1 = p->key[1];

    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53 * c0, p1 = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* A generator read word by word. */
typedef struct ek_philox_words {
    ek_philox next;
    uint32_t word[4];
    int used;
} ek_philox_words;

static inline ek_philox_words ek__philox_words(ek_philox from)
{
    return (ek_philox_words){ from, { 0 }, 4 };
}

static inline uint32_t ek__philox_word(ek_philox_words *w)
{
    if (w->used == 4) {
        ek__philox_block(&w->next, w->word);
        ek__philox_skip(&w->next, 1);
        w->used = 0;
    }
    return w->word[w->used++];
}

#endif
