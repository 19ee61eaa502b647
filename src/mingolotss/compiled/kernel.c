/* The inner loops of the fast path: what `mingolotss.stamp` and `mingolotss.cleanmap` do with numpy
 * in many passes over memory, done in one. `mingolotss.kernel` calls this; the tests hold it to
 * numpy bit for bit.
 *
 * Compile with -ffp-contract=off: a product and a sum that the processor fuses are rounded once,
 * where numpy rounds twice. The loops are in lanes.h, in vectors as wide as the processor at hand
 * has them: 17 us a stamp of 150 x 150 pixels with AVX-512, 20 with AVX2, 41 with neither (median;
 * the same steps in numpy take 100). GCC and Clang have such vectors, other compilers do not. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* What is done to each window, side x side pixels. Inside the mask are, of row y, the pixels from[y]
 * up to to[y]. */
struct recipe {
    int64_t side;
    int64_t sparse; /* every so many rows and columns the noise is kept */
    int64_t clipped;
    int64_t everywhere; /* the smallest and largest pixel are looked for outside the mask, too */
    const int32_t *from;
    const int32_t *to;
    float sigma;
};

/* What becomes of n windows. `rows` are the pixels again as PNG wants them, each row after its
 * filter byte. */
struct made {
    uint8_t *pixels;
    uint8_t *rows;
    uint8_t *blank;
    float *peaks;
    float *floors;
    float *room;   /* 3 * side * (side + 32) of them, for one window */
    int64_t empty; /* how many have no pixel above minus infinity: their peaks are not known */
};

/* Keep every so many pixels of a row of noise as whole numbers in the order of the pixels, NaN last.
 * Returns where the next row's belong. */
INLINE int32_t *thin_row(const struct window *noise, int64_t y, const struct recipe *recipe,
                         int32_t *to)
{
    for (int64_t x = 0; x < recipe->side; x += recipe->sparse) {
        uint32_t word;
        memcpy(&word, noise->first + y * noise->step + 4 * x, 4);
        word = noise->turned ? __builtin_bswap32(word) : word;
        const int32_t key = (int32_t)word ^ ((int32_t)word >> 31 & 0x7fffffff);
        *to++ = (word & 0x7fffffff) > 0x7f800000 ? INT32_MAX : key;
    }
    return to;
}

/* Return the pixel that a whole number stands for. */
INLINE float number(int32_t key)
{
    const int32_t word = key ^ (key >> 31 & 0x7fffffff);
    float value;
    memcpy(&value, &word, 4);
    return value;
}

#define LANES 4
#define TARGET
#include "lanes.h"
#if defined(__x86_64__)
#define TURNED 0x0c0d0e0f08090a0bLL, 0x0405060700010203LL /* the bytes of four pixels */
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define LARGER(a, b) (floats)_mm256_max_ps((__m256)(a), (__m256)(b))
#define SMALLER(a, b) (floats)_mm256_min_ps((__m256)(a), (__m256)(b))
#define TURN(w) (words)_mm256_shuffle_epi8((__m256i)(w), _mm256_set_epi64x(TURNED, TURNED))
#define ANY(v) !_mm256_testz_si256((__m256i)(v), (__m256i)(v))
#include "lanes.h"
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define LARGER(a, b) (floats)_mm512_max_ps((__m512)(a), (__m512)(b))
#define SMALLER(a, b) (floats)_mm512_min_ps((__m512)(a), (__m512)(b))
#define TURN(w) (words)_mm512_shuffle_epi8((__m512i)(w), _mm512_set4_epi64(TURNED, TURNED))
#define ANY(v) (_mm512_test_epi32_mask((__m512i)(v), (__m512i)(v)) != 0)
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
                       const struct recipe *recipe, struct made *made, int most)
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
    return 2;
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
