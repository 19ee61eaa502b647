/* The loops of kernel.c, for vectors of LANES pixels; TARGET says for which processor. Included
 * once for each. A row is handled in whole vectors, the last of which ends where the row ends and
 * may overlap the one before it: to handle a pixel twice changes nothing. */

typedef float LANED(floats) __attribute__((vector_size(4 * LANES)));
typedef int32_t LANED(ints) __attribute__((vector_size(4 * LANES)));
typedef uint32_t LANED(words) __attribute__((vector_size(4 * LANES)));
typedef uint8_t LANED(greys) __attribute__((vector_size(LANES)));
#define floats LANED(floats)
#define ints LANED(ints)
#define words LANED(words)
#define greys LANED(greys)

TARGET INLINE words LANED(load)(const void *at)
{
    words loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

TARGET INLINE words LANED(turn)(words w)
{
    w = (w >> 8 & 0x00ff00ff) | (w & 0x00ff00ff) << 8;
    return w << 16 | w >> 16;
}

TARGET INLINE floats LANED(fill)(float x)
{
    floats filled = {0};
    return filled + x;
}

TARGET INLINE floats LANED(pick)(ints which, floats yes, floats no)
{
    return (floats)((which & (ints)yes) | (~which & (ints)no));
}

TARGET INLINE floats LANED(smaller)(floats a, floats b)
{
    return LANED(pick)(a < b, a, b);
}

TARGET INLINE floats LANED(larger)(floats a, floats b)
{
    return LANED(pick)(a > b, a, b);
}

TARGET INLINE int LANED(any)(const void *at)
{
    uint64_t pairs[LANES / 2], found = 0;
    memcpy(pairs, at, sizeof pairs);
    for (int pair = 0; pair < LANES / 2; pair++)
        found |= pairs[pair];
    return found != 0;
}

TARGET INLINE float LANED(least)(floats v)
{
    float found = v[0];
    for (int lane = 1; lane < LANES; lane++)
        found = v[lane] < found ? v[lane] : found;
    return found;
}

TARGET INLINE float LANED(most)(floats v)
{
    float found = v[0];
    for (int lane = 1; lane < LANES; lane++)
        found = v[lane] > found ? v[lane] : found;
    return found;
}

/* Ask for a row of a mosaic ahead: each lies on a page of its own, which no processor foresees. */
TARGET INLINE void LANED(ask)(const struct window *window, int64_t y, int64_t side)
{
    if (y < side)
        for (int64_t x = 0; x < 4 * side; x += 64)
            __builtin_prefetch(window->first + y * window->step + x);
}

/* The steps zero-nan, clip and mask, row by row into `kept`; what minmax must know of it comes
 * back. busy[y] is 0 where a row is all zero, most of noise below the clip. */
TARGET INLINE void LANED(clip)(const struct window *image, const struct window *noise,
                               const struct recipe *recipe, float *kept, uint32_t *levels,
                               uint8_t *busy, float *peak_of, float *low_of, float *high_of)
{
    const int64_t side = recipe->side, last = side - LANES;
    const int64_t few = (side + recipe->sparse - 1) / recipe->sparse;
    const floats top = LANED(fill)(INFINITY), bottom = LANED(fill)(-INFINITY);
    floats peak = bottom, low = top, high = bottom;
    for (int64_t y = 0; y < side; y++) {
        LANED(ask)(image, y + 2, side);
        LANED(ask)(noise, y + 2, side);
        if (y % recipe->sparse == 0)
            thin_row(noise, y, recipe, levels + y / recipe->sparse * few);
        words some = {0};
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last, at = y * side + x;
            words value = LANED(load)(image->first + y * image->step + 4 * x);
            value = image->turned ? LANED(turn)(value) : value;
            peak = LANED(larger)((floats)value, peak); /* NaN is not larger */
            ints keep = (ints)LANED(load)(recipe->inside + at);
            keep &= (value & 0x7f800000u) != 0x7f800000u; /* finite */
            if (recipe->clipped) {
                words level = LANED(load)(noise->first + y * noise->step + 4 * x);
                level = noise->turned ? LANED(turn)(level) : level;
                level &= (words)((floats)level == (floats)level); /* NaN is 0 */
                keep &= ~((floats)value <= recipe->sigma * (floats)level);
            }
            value &= (words)keep;
            memcpy(kept + at, &value, sizeof value);
            some |= value;
            const ints counted = (ints)LANED(load)(recipe->counted + at);
            low = LANED(smaller)(LANED(pick)(counted, (floats)value, top), low);
            high = LANED(larger)(LANED(pick)(counted, (floats)value, bottom), high);
        }
        busy[y] = (uint8_t)LANED(any)(&some);
    }
    *peak_of = LANED(most)(peak);
    *low_of = LANED(least)(low);
    *high_of = LANED(most)(high);
}

/* The step minmax, and what follows it: 255 times, truncated. Returns whether all became 0. */
TARGET INLINE int LANED(scale)(const float *kept, const uint8_t *busy, const struct recipe *recipe,
                               float low, float high, uint8_t *pixels, uint8_t *rows)
{
    const int64_t side = recipe->side, last = side - LANES;
    const float span = high - low;
    const floats black = LANED(fill)(0), white = LANED(fill)(255);
    words some = {0};
    memset(pixels, 0, (size_t)(side * side));
    memset(rows, 0, (size_t)(side * (side + 1)));
    if (!(span > 0))
        return 1;
    for (int64_t y = 0; y < side; y++) {
        if (low == 0 && !busy[y])
            continue;
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last, at = y * side + x;
            if (low == 0 && !LANED(any)(kept + at)) /* nearly always; divisions are dear */
                continue;
            floats value = ((floats)LANED(load)(kept + at) - low) / span * 255.0f;
            value = LANED(pick)(value > black, value, black); /* NaN is 0, too */
            value = LANED(pick)(value < white, value, white);
            const ints grey = __builtin_convertvector(value, ints)
                & (ints)LANED(load)(recipe->counted + at);
            some |= (words)grey;
            const greys narrow = __builtin_convertvector(grey, greys);
            memcpy(pixels + at, &narrow, sizeof narrow);
            memcpy(rows + at + y + 1, &narrow, sizeof narrow);
        }
    }
    return !LANED(any)(&some);
}

TARGET static void LANED(stamps)(int64_t n, const struct window *images,
                                 const struct window *noises, const struct recipe *recipe,
                                 const struct made *made)
{
    const int64_t side = recipe->side, few = (side + recipe->sparse - 1) / recipe->sparse;
    uint32_t levels[few * few];
    uint8_t busy[side];
    for (int64_t i = 0; i < n; i++) {
        float low, high;
        LANED(clip)(images + i, noises + i, recipe, made->kept, levels, busy, made->peaks + i,
                    &low, &high);
        made->floors[i] = noise_floor(levels, few * few);
        made->blank[i] = (uint8_t)LANED(scale)(made->kept, busy, recipe, low, high,
                                               made->pixels + i * side * side,
                                               made->rows + i * side * (side + 1));
    }
}

/* Sixteen squares at a time: a row of theirs is a page. */
TARGET static void LANED(squares)(int64_t high, int64_t wide, const struct window *image,
                                  uint8_t *clean)
{
    const words exponent = (words){0} + (image->turned ? 0x0000807fu : 0x7f800000u);
    const words unsign = (words){0} + (image->turned ? 0xffffff7fu : 0x7fffffffu);
    for (int64_t upper = 0; upper < high; upper++)
        for (int64_t left = 0; left < wide; left += 16) {
            const int64_t count = wide - left < 16 ? wide - left : 16;
            words gaps[16] = {{0}}, some[16] = {{0}};
            for (int64_t y = 0; y < SQUARE; y++) {
                const uint8_t *row = image->first + (upper * SQUARE + y) * image->step;
                for (int64_t square = 0; square < count; square++)
                    for (int64_t x = 0; x < SQUARE; x += LANES) {
                        const int64_t at = (left + square) * SQUARE + x;
                        const words value = LANED(load)(row + 4 * at);
                        gaps[square] |= (words)((value & exponent) == exponent);
                        some[square] |= value & unsign;
                    }
            }
            for (int64_t square = 0; square < count; square++)
                clean[upper * wide + left + square] =
                    (uint8_t)(!LANED(any)(gaps + square) && LANED(any)(some + square));
        }
}

#undef floats
#undef ints
#undef words
#undef greys
#undef LANES
#undef TARGET
