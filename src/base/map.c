/* base/map.c - hash, and the map from byte strings to integers: open addressing, linear probing, no removal. */
#include "base/base.h"

struct ek_map_slot {
    const char *key; /* NULL: free */
    size_t size;
    uint64_t hash;
    int64_t value;
};

/* Both halves of the 128-bit product, folded: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    const wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t ek__hash(const void *data, size_t size, uint64_t seed)
{
    const uint64_t odd1 = 0x9e3779b97f4a7c15u, odd2 = 0xd1b54a32d192ed03u;
    const unsigned char *p = data;
    uint64_t h = seed ^ mix((uint64_t)size + odd1, odd2), word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        h = mix(h ^ word ^ odd1, odd2);
    }
    word = 0;
    if (size > 0) memcpy(&word, p, size);
    return mix(h ^ word ^ odd2, odd1);
}

/* The slot that holds the key, or the free one where it would go. */
static struct ek_map_slot *find(struct ek_map_slot *slots, int64_t cap, const char *key, size_t size, uint64_t hash)
{
    const uint64_t mask = (uint64_t)cap - 1;

    for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
        struct ek_map_slot *s = &slots[i];

        if (s->key == NULL) return s;
        if (s->hash == hash && s->size == size && memcmp(s->key, key, size) == 0) return s;
    }
}

int64_t ek__map_get(const ek_map *m, const char *key, size_t size, int64_t missing)
{
    const struct ek_map_slot *s;

    if (m->used == 0) return missing;
    s = find(m->slot, m->cap, key, size, ek__hash(key, size, 0));
    return s->key != NULL ? s->value : missing;
}

static bool rehash(ek_map *m, int64_t cap)
{
    struct ek_map_slot *slots = ek__calloc((size_t)cap, sizeof *slots);

    if (slots == NULL) return false;
    for (int64_t i = 0; i < m->cap; i++) {
        const struct ek_map_slot *s = &m->slot[i];

        if (s->key != NULL) *find(slots, cap, s->key, s->size, s->hash) = *s;
    }
    ek__free(m->slot);
    m->slot = slots;
    m->cap = cap;
    return true;
}

bool ek__map_put(ek_map *m, const char *key, size_t size, int64_t value)
{
    const uint64_t hash = ek__hash(key, size, 0);
    struct ek_map_slot *s;

    if (key == NULL) key = ""; /* NULL marks a free slot */
    /* At most two thirds full, so that probes stay short and a search always meets a free slot. */
    if (m->used + 1 > m->cap / 3 * 2 && !rehash(m, m->cap == 0 ? 16 : m->cap * 2)) return false;
    s = find(m->slot, m->cap, key, size, hash);
    if (s->key == NULL) m->used++;
    *s = (struct ek_map_slot){ key, size, hash, value };
    return true;
}

void ek__map_fini(ek_map *m)
{
    ek__free(m->slot);
    *m = (ek_map){ 0 };
}
