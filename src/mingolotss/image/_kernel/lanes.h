/* The loops of kernel.c for vectors of LANES pixels, on the processors that TARGET names. Included
 * once for each width.
 *
 * A row is handled in whole vectors. The last one ends where the row ends and may overlap the one
 * before it: all that is done to a pixel here may be done twice with the same result, so there is
 * no loop for the remainder. Where the processor has one instruction for what takes several in
 * plain C, MAXIMUM, MINIMUM, BYTESWAP, ANY and EXCEEDS name it.
 *
 * Masks are integer vectors whose lanes are 0 or -1 (all bits set), as comparisons of vectors give
 * them: `value & mask` keeps a pixel bit for bit, or makes it +0. */

typedef float LANED(floats) __attribute__((vector_size(4 * LANES)));
typedef int32_t LANED(ints) __attribute__((vector_size(4 * LANES)));
typedef uint32_t LANED(words) __attribute__((vector_size(4 * LANES)));
typedef uint8_t LANED(greys) __attribute__((vector_size(LANES)));
#define floats LANED(floats)
#define ints LANED(ints)
#define words LANED(words)
#define greys LANED(greys)

/* Load a vector from any address, aligned or not. */
TARGET INLINE words LANED(load)(const void *address)
{
    words loaded;
    memcpy(&loaded, address, sizeof loaded);
    return loaded;
}

/* Return pixels in the other byte order. */
TARGET INLINE words LANED(byteswap)(words w)
{
#ifdef BYTESWAP
    return BYTESWAP(w);
#else
    w = (w >> 8 & 0x00ff00ff) | (w & 0x00ff00ff) << 8;
    return w << 16 | w >> 16;
#endif
}

TARGET INLINE floats LANED(fill)(float x)
{
    floats filled = {0};
    return filled + x;
}

/* Return first, first + 1, first + 2 ... */
TARGET INLINE ints LANED(ascending)(int32_t first)
{
    ints numbers;
    for (int lane = 0; lane < LANES; lane++)
        numbers[lane] = first + lane;
    return numbers;
}

/* Return the lanes of `yes` where the mask is set, and those of `no` elsewhere. */
TARGET INLINE floats LANED(select)(ints mask, floats yes, floats no)
{
    return (floats)((mask & (ints)yes) | (~mask & (ints)no));
}

/* Return the smaller of each two; the second where one of them is NaN, as MINPS does. */
TARGET INLINE floats LANED(minimum)(floats a, floats b)
{
#ifdef MINIMUM
    return MINIMUM(a, b);
#else
    return LANED(select)(a < b, a, b);
#endif
}

/* Return the larger of each two; the second where one of them is NaN. */
TARGET INLINE floats LANED(maximum)(floats a, floats b)
{
#ifdef MAXIMUM
    return MAXIMUM(a, b);
#else
    return LANED(select)(a > b, a, b);
#endif
}

/* Return whether any bit is set. */
TARGET INLINE int LANED(any)(words v)
{
#ifdef ANY
    return ANY(v);
#else
    uint64_t pairs[LANES / 2], bits = 0;
    memcpy(pairs, &v, sizeof pairs);
    for (int pair = 0; pair < LANES / 2; pair++)
        bits |= pairs[pair];
    return bits != 0;
#endif
}

/* Return whether any lane of a is larger than that of b, or not comparable with it. */
TARGET INLINE int LANED(exceeds)(floats a, floats b)
{
#ifdef EXCEEDS
    return EXCEEDS(a, b);
#else
    return LANED(any)((words)~(a <= b));
#endif
}

TARGET INLINE int32_t LANED(sum)(ints v)
{
    int32_t total = 0;
    for (int lane = 0; lane < LANES; lane++)
        total += v[lane];
    return total;
}

TARGET INLINE float LANED(lowest)(floats v)
{
    float low = v[0];
    for (int lane = 1; lane < LANES; lane++)
        low = v[lane] < low ? v[lane] : low;
    return low;
}

TARGET INLINE float LANED(highest)(floats v)
{
    float high = v[0];
    for (int lane = 1; lane < LANES; lane++)
        high = v[lane] > high ? v[lane] : high;
    return high;
}

/* Return how many of n keys, in whole vectors, are `limit` or less. */
TARGET INLINE int64_t LANED(count_up_to)(const int32_t *keys, int64_t n, int32_t limit)
{
    ints counts = {0}; /* a true comparison is -1 */
    for (int64_t i = 0; i < n; i += LANES)
        counts -= (ints)LANED(load)(keys + i) <= limit;
    return LANED(sum)(counts);
}

/* Set `low` to the smallest of n keys above `bound`, `high` to the largest below INT32_MAX. */
TARGET INLINE void LANED(key_range)(const int32_t *keys, int64_t n, int32_t bound, int32_t *low,
                                    int32_t *high)
{
    ints lowest = (ints){0} + INT32_MAX, highest = (ints){0} + INT32_MIN;
    for (int64_t i = 0; i < n; i += LANES) {
        const ints key = (ints)LANED(load)(keys + i);
        const ints less = (key > bound) & (key < lowest);
        const ints more = (key < INT32_MAX) & (key > highest);
        lowest = (less & key) | (~less & lowest);
        highest = (more & key) | (~more & highest);
    }
    *low = INT32_MAX, *high = INT32_MIN;
    for (int lane = 0; lane < LANES; lane++) {
        *low = lowest[lane] < *low ? lowest[lane] : *low;
        *high = highest[lane] > *high ? highest[lane] : *high;
    }
}

/* Return the median of the noise samples that are not NaN, 0 if none of them is finite.
 *
 * Bisection on the value instead of a sort: the median is the smallest key that more than half of
 * the samples do not exceed, and to count those is one pass over 3.6 kB in the first cache. It is
 * exact, since keys are integers and the interval shrinks to one key in at most 32 passes. 1.2 us
 * for 900 samples, where a selection takes 3 and numpy 5 to 8. */
TARGET INLINE float LANED(median_of_keys)(const int32_t *keys, int64_t n)
{
    const int32_t above_minus_infinity = (int32_t)0x807fffff, below_infinity = 0x7f7fffff;
    const int64_t known = LANED(count_up_to)(keys, n, INT32_MAX - 1), middle = (known - 1) / 2;
    /* Nothing lies between minus infinity and infinity: no sample is finite. */
    if (LANED(count_up_to)(keys, n, below_infinity)
        == LANED(count_up_to)(keys, n, above_minus_infinity))
        return 0;
    int32_t low, high, next;
    LANED(key_range)(keys, n, INT32_MIN, &low, &high);
    while (low < high) {
        const int32_t half = low + (int32_t)(((uint32_t)high - (uint32_t)low) / 2);
        if (LANED(count_up_to)(keys, n, half) > middle)
            high = half;
        else
            low = half + 1;
    }
    /* An even number of samples has two in the middle; they may be equal. */
    if (known % 2 || LANED(count_up_to)(keys, n, low) > middle + 1)
        return float_of_key(low);
    LANED(key_range)(keys, n, low, &next, &high);
    return (float_of_key(low) + float_of_key(next)) / 2;
}

/* A window after the steps zero-nan, clip and mask, as the list of its vectors that are not all 0:
 * a few in a hundred, since nearly all pixels are noise. */
struct LANED(nonzero) {
    int64_t count;
    float *vectors;
    uint32_t *positions;   /* row << 16 | column of the first pixel of each */
    float peak;            /* before the steps */
    float lowest, highest; /* after them, over the pixels that the step minmax looks at */
};

/* Read a window once: the steps zero-nan, clip and mask, its extremes and its noise samples.
 *
 * Each step only ever sets pixels to 0, so the three are one mask and their order does not matter.
 * More than nine vectors in ten have no pixel above the clip: for these, the peak and one comparison
 * are all that is computed. They are 0 after the steps, which needs to be known once: `has_black`.
 * The others, and those with NaN or without a clip, are looked at in full. Comparisons are those of
 * the Python steps, negated where NaN must fall on the same side. */
TARGET INLINE void LANED(clip)(const struct window *image, const struct window *noise,
                               const struct recipe *recipe, int32_t *keys,
                               struct LANED(nonzero) *nonzero)
{
    const struct window map = *image, levels = *noise;
    const int64_t side = recipe->side, last = side - LANES, noise_stride = recipe->noise_stride;
    const int64_t clip = recipe->clip;
    const float sigma = recipe->sigma;
    const ints lanes = LANED(ascending)(0);
    const ints scale_outside_mask = (ints){0} - (int32_t)recipe->scale_outside_mask;
    const floats top = LANED(fill)(INFINITY), bottom = LANED(fill)(-INFINITY);
    floats peak = bottom, lowest = top, highest = bottom;
    float *vectors = nonzero->vectors;
    uint32_t *positions = nonzero->positions;
    int64_t count = 0, next_sampled = 0;
    int has_black = 0; /* a pixel that the step minmax looks at is 0 */
    for (int64_t y = 0; y < side; y++) {
        if (y == next_sampled) {
            keys = append_noise_keys(&levels, y, recipe, keys);
            next_sampled += noise_stride;
        }
        const uint8_t *row = map.first + y * map.row_stride;
        const uint8_t *levels_row = levels.first + y * levels.row_stride;
        const int32_t mask_start = recipe->mask_start[y], mask_stop = recipe->mask_stop[y];
        const int64_t ahead = y + 3 < side ? 3 : 0;
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last;
            /* Each row of a mosaic is on a page of its own, which no hardware prefetcher foresees. */
            __builtin_prefetch(row + ahead * map.row_stride + 4 * x);
            __builtin_prefetch(levels_row + ahead * levels.row_stride + 4 * x);
            words value = LANED(load)(row + 4 * x), level = {0};
            value = map.byteswapped ? LANED(byteswap)(value) : value;
            peak = LANED(maximum)((floats)value, peak); /* keeps the peak where the pixel is NaN */
            if (clip) {
                level = LANED(load)(levels_row + 4 * x);
                level = levels.byteswapped ? LANED(byteswap)(level) : level;
                if (has_black && !LANED(exceeds)((floats)value, sigma * (floats)level))
                    continue;
            }
            const ints column = lanes + (int32_t)x;
            const ints inside = (column >= mask_start) & (column < mask_stop);
            ints keep = inside & ((value & 0x7f800000u) != 0x7f800000u); /* finite */
            if (clip) {
                level &= (words)((floats)level == (floats)level); /* NaN becomes 0 */
                keep &= ~((floats)value <= sigma * (floats)level);
            }
            value &= (words)keep;
            const ints scaled = inside | scale_outside_mask;
            has_black = has_black || LANED(any)((words)((value << 1 == 0) & scaled));
            if (!LANED(any)(value))
                continue;
            lowest = LANED(minimum)(LANED(select)(scaled, (floats)value, top), lowest);
            highest = LANED(maximum)(LANED(select)(scaled, (floats)value, bottom), highest);
            memcpy(vectors + count * LANES, &value, sizeof value);
            positions[count++] = (uint32_t)(y << 16 | x);
        }
    }
    if (has_black) {
        lowest = LANED(minimum)((floats){0}, lowest);
        highest = LANED(maximum)((floats){0}, highest);
    }
    nonzero->count = count;
    nonzero->peak = LANED(highest)(peak);
    nonzero->lowest = LANED(lowest)(lowest);
    nonzero->highest = LANED(highest)(highest);
}

/* Write one vector as grey pixels: the step minmax, times 255, truncated. The vector begins at
 * pixel x of row y; pixels outside the mask `scaled` become 0. Returns the grey pixels. */
TARGET INLINE words LANED(write_grey)(words value, const struct LANED(nonzero) *nonzero, int64_t y,
                                      int64_t x, int64_t side, uint8_t *pixels, uint8_t *rows,
                                      ints scaled)
{
    const floats black = LANED(fill)(0), white = LANED(fill)(255);
    floats level = ((floats)value - nonzero->lowest) / (nonzero->highest - nonzero->lowest);
    level = level * 255.0f;
    level = LANED(select)(level > black, level, black); /* NaN becomes 0, too */
    level = LANED(select)(level < white, level, white);
    const ints grey = __builtin_convertvector(level, ints) & scaled;
    const greys narrow = __builtin_convertvector(grey, greys);
    memcpy(pixels + y * side + x, &narrow, sizeof narrow);
    memcpy(rows + y * (side + 1) + x + 1, &narrow, sizeof narrow);
    return (words)grey;
}

/* Write the grey pixels of a window. Returns whether all of them are 0.
 *
 * Nearly always the lowest pixel is 0. Then 0 maps to 0, and only the non-zero vectors need work
 * after both images are cleared. Otherwise (every pixel is above the clip, or some are negative) 0
 * maps to another grey: the window is laid out in full and each of its vectors is scaled. */
TARGET INLINE int LANED(scale)(const struct LANED(nonzero) *nonzero, const struct recipe *recipe,
                               float *window, uint8_t *pixels, uint8_t *rows)
{
    const int64_t side = recipe->side, last = side - LANES;
    const ints lanes = LANED(ascending)(0);
    const ints scale_outside_mask = (ints){0} - (int32_t)recipe->scale_outside_mask;
    words bits = {0}; /* of all grey pixels */
    memset(pixels, 0, (size_t)(side * side));
    memset(rows, 0, (size_t)(side * (side + 1)));
    if (!(nonzero->highest - nonzero->lowest > 0))
        return 1;
    if (nonzero->lowest == 0) {
        for (int64_t i = 0; i < nonzero->count; i++)
            bits |= LANED(write_grey)(LANED(load)(nonzero->vectors + i * LANES), nonzero,
                                      nonzero->positions[i] >> 16, nonzero->positions[i] & 0xffff,
                                      side, pixels, rows, (ints){0} - 1);
        return !LANED(any)(bits);
    }
    memset(window, 0, 4 * (size_t)(side * side));
    for (int64_t i = 0; i < nonzero->count; i++)
        memcpy(window + (nonzero->positions[i] >> 16) * side + (nonzero->positions[i] & 0xffff),
               nonzero->vectors + i * LANES, 4 * LANES);
    for (int64_t y = 0; y < side; y++)
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last;
            const ints column = lanes + (int32_t)x;
            const ints inside = (column >= recipe->mask_start[y]) & (column < recipe->mask_stop[y]);
            bits |= LANED(write_grey)(LANED(load)(window + y * side + x), nonzero, y, x, side,
                                      pixels, rows, inside | scale_outside_mask);
        }
    return !LANED(any)(bits);
}

/* Make the stamps of n windows from number `start`. The workspace has three parts of
 * side * (side + 32) floats, which is more than all vectors of a window, overlaps included: the
 * window in full, the list's vectors, and their positions. The noise samples fill up to a whole
 * vector with the key of NaN. */
TARGET static void LANED(stamps)(int64_t start, int64_t n, const struct window *images,
                                 const struct window *noises, const struct recipe *recipe,
                                 struct result *result)
{
    const int64_t side = recipe->side, part = side * (side + 32);
    const int64_t samples_a_row = (side + recipe->noise_stride - 1) / recipe->noise_stride;
    const int64_t samples = samples_a_row * samples_a_row;
    const int64_t padded = (samples + LANES - 1) / LANES * LANES;
    int32_t keys[padded];
    for (int64_t i = samples; i < padded; i++)
        keys[i] = INT32_MAX;
    struct LANED(nonzero) nonzero = {.vectors = result->workspace + part,
                                     .positions = (uint32_t *)(result->workspace + 2 * part)};
    result->without_peak = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t number = start + i;
        LANED(clip)(images + number, noises + number, recipe, keys, &nonzero);
        result->peaks[number] = nonzero.peak + 0.0f; /* -0 becomes 0, whichever came first */
        result->without_peak += nonzero.peak == -INFINITY;
        result->lowest[number] = nonzero.lowest + 0.0f;
        result->highest[number] = nonzero.highest + 0.0f;
        result->median_noise[number] = LANED(median_of_keys)(keys, padded) + 0.0f;
        result->blank[number] = (uint8_t)LANED(scale)(&nonzero, recipe, result->workspace,
                                                      result->pixels + i * side * side,
                                                      result->rows + i * side * (side + 1));
    }
}

/* Search high x wide squares for gaps.
 *
 * A pixel is not finite where all bits of its exponent are set, and 0 where no bit but the sign
 * is: both can be asked of the bits as they lie in memory, so byteswapped pixels need no swap, only
 * a byteswapped mask. The answers of a square are gathered with OR and asked once. Sixteen squares
 * go together, because a row of theirs is one page of memory (16 * 64 * 4 bytes). */
TARGET static void LANED(squares)(int64_t high, int64_t wide, const struct window *image,
                                  uint8_t *observed)
{
    const words exponent = (words){0} + (image->byteswapped ? 0x0000807fu : 0x7f800000u);
    const words magnitude = (words){0} + (image->byteswapped ? 0xffffff7fu : 0x7fffffffu);
    for (int64_t top = 0; top < high; top++)
        for (int64_t left = 0; left < wide; left += 16) {
            const int64_t count = wide - left < 16 ? wide - left : 16;
            words gaps[16] = {{0}}, bits[16] = {{0}};
            for (int64_t y = 0; y < SQUARE; y++) {
                const uint8_t *row = image->first + (top * SQUARE + y) * image->row_stride;
                for (int64_t square = 0; square < count; square++)
                    for (int64_t x = 0; x < SQUARE; x += LANES) {
                        const int64_t column = (left + square) * SQUARE + x;
                        const words value = LANED(load)(row + 4 * column);
                        gaps[square] |= (words)((value & exponent) == exponent);
                        bits[square] |= value & magnitude;
                    }
            }
            for (int64_t square = 0; square < count; square++)
                observed[top * wide + left + square] =
                    (uint8_t)(!LANED(any)(gaps[square]) && LANED(any)(bits[square]));
        }
}

#include "hashes.h"
#include "unit_range.h"

#undef floats
#undef ints
#undef words
#undef greys
#undef LANES
#undef TARGET
#undef MAXIMUM
#undef MINIMUM
#undef BYTESWAP
#undef ANY
#undef EXCEEDS
