/* The inner loops of the fast path: what `mingolotss.stamp` and `mingolotss.cleanmap` do with numpy
 * in many passes over memory, done in one. `mingolotss.kernel` calls this; the tests hold it to
 * numpy bit for bit.
 *
 * Compile with -ffp-contract=off: a product and a sum that the processor fuses are rounded once,
 * where numpy rounds twice. The loops are in lanes.h, in vectors as wide as the processor at hand
 * has them: 18 us a stamp of 150 x 150 pixels with AVX-512, 25 with AVX2, 42 with neither (median;
 * the same steps in numpy take 100). GCC and Clang have such vectors, other compilers do not. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define JOIN_(name, lanes) name##_##lanes
#define JOIN(name, lanes) JOIN_(name, lanes)
#define LANED(name) JOIN(name, LANES)

enum { SQUARE = 64 }; /* pixels on a side of the squares that are looked at for gaps */

/* A window of an image: its first pixel, the bytes from a row to the next, and whether the bytes of
 * a pixel are in the other order than this machine's. */
struct window {
    const uint8_t *first;
    int64_t step;
    int64_t turned;
};

/* What is done to each window, side x side pixels. `inside` is the mask and `counted` says where
 * the smallest and largest pixel are looked for: all bits set, or none. */
struct recipe {
    int64_t side;
    int64_t sparse; /* every so many rows and columns the noise is kept */
    int64_t clipped;
    float sigma;
    const uint32_t *inside;
    const uint32_t *counted;
};

/* What becomes of n windows. `rows` are the pixels again as PNG wants them, each row after its
 * filter byte. */
struct made {
    float *kept; /* room for one window */
    float *peaks;
    float *floors;
    uint8_t *pixels;
    uint8_t *rows;
    uint8_t *blank;
};

/* Keep every so many pixels of a row of noise: its bits, in the order of the numbers, NaN last. */
INLINE void thin_row(const struct window *noise, int64_t y, const struct recipe *recipe,
                     uint32_t *to)
{
    for (int64_t x = 0; x < recipe->side; x += recipe->sparse) {
        uint32_t word;
        memcpy(&word, noise->first + y * noise->step + 4 * x, 4);
        word = noise->turned ? __builtin_bswap32(word) : word;
        *to++ = (word & 0x7fffffff) > 0x7f800000 ? UINT32_MAX : word ^ (word >> 31 ? ~0u : 1u << 31);
    }
}

INLINE float number(uint32_t key)
{
    const uint32_t word = key ^ (key >> 31 ? 1u << 31 : ~0u);
    float value;
    memcpy(&value, &word, 4);
    return value;
}

/* Return the key that k others are below, were they sorted. They are told apart by the eight bits
 * below the first in which they differ, then those of the right kind by the next: 900 of them take
 * 2 us; numpy takes 5 to 8. Overwrites them. */
static uint32_t kth(uint32_t *keys, int64_t n, int64_t k)
{
    for (;;) {
        uint32_t low = keys[0], high = keys[0];
        for (int64_t i = 1; i < n; i++) {
            low = keys[i] < low ? keys[i] : low;
            high = keys[i] > high ? keys[i] : high;
        }
        if (low == high)
            return low;
        const int bits = 32 - __builtin_clz(low ^ high), shift = bits > 8 ? bits - 8 : 0;
        const uint32_t base = low >> shift;
        int32_t counts[256] = {0};
        for (int64_t i = 0; i < n; i++)
            counts[(keys[i] >> shift) - base]++;
        uint32_t kind = 0;
        while (k >= counts[kind])
            k -= counts[kind++];
        int64_t left = 0;
        for (int64_t i = 0; i < n; i++) {
            const uint32_t key = keys[i];
            keys[left] = key;
            left += (key >> shift) - base == kind;
        }
        n = left;
    }
}

/* Return the median of what is known of the noise, 0 if none of it is finite. */
static float noise_floor(uint32_t *keys, int64_t n)
{
    int64_t known = 0, finite = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t key = keys[i];
        keys[known] = key;
        known += key != UINT32_MAX;
        finite += key > 0x007fffff && key < 0xff800000;
    }
    if (!finite)
        return 0;
    const int64_t middle = (known - 1) / 2;
    uint32_t sorted[known];
    memcpy(sorted, keys, 4 * (size_t)known);
    const uint32_t lower = kth(sorted, known, middle);
    if (known % 2)
        return number(lower);
    int64_t up_to = 0;
    uint32_t upper = UINT32_MAX;
    for (int64_t i = 0; i < known; i++) {
        up_to += keys[i] <= lower;
        upper = keys[i] > lower && keys[i] < upper ? keys[i] : upper;
    }
    return up_to > middle + 1 ? number(lower) : (number(lower) + number(upper)) / 2;
}

#define LANES 4
#define TARGET
#include "lanes.h"
#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "lanes.h"
#endif

/* How many pixels are handled at once; `most` holds it down, for tests. */
static int lanes(int most)
{
#if defined(__x86_64__)
    if (most >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 16;
    if (most >= 8 && __builtin_cpu_supports("avx2"))
        return 8;
#endif
    (void)most;
    return 4;
}

#if defined(__x86_64__)
#define DISPATCH(name, ...)              \
    switch (lanes(most)) {               \
    case 16: name##_16(__VA_ARGS__); break; \
    case 8: name##_8(__VA_ARGS__); break;   \
    default: name##_4(__VA_ARGS__);         \
    }
#else
#define DISPATCH(name, ...) (void)most, name##_4(__VA_ARGS__)
#endif

/* Make n stamps; the noise of window i is in noises[i]. */
void mingolotss_stamps(int64_t n, const struct window *images, const struct window *noises,
                       const struct recipe *recipe, const struct made *made, int most)
{
    DISPATCH(stamps, n, images, noises, recipe, made);
}

/* Look at high x wide squares: clean[i] is 1 where all pixels are finite and some are not 0. */
void mingolotss_squares(int64_t high, int64_t wide, const struct window *image, uint8_t *clean,
                        int most)
{
    DISPATCH(squares, high, wide, image, clean);
}

/* Counts the changes of what is called and how; `mingolotss.kernel` knows one of them. */
int mingolotss_interface(void)
{
    return 1;
}

/* How many pixels are handled at once on this machine. */
int mingolotss_lanes(void)
{
    return lanes(16);
}

/* Of which sources this was made: their SHA-256. */
const char *mingolotss_sources(void)
{
#ifdef SOURCES
    return SOURCES;
#else
    return "";
#endif
}
