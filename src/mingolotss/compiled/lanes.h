/* The loops of kernel.c, for vectors of LANES pixels; TARGET says for which processor. Included
 * once for each. A row is handled in whole vectors, the last of which ends where the row ends and
 * may overlap the one before it: to handle a pixel twice changes nothing. Where the processor does
 * in one instruction what takes several in plain C, LARGER, SMALLER, TURN and ANY name it. */

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

/* Return pixels with their bytes in the other order. */
TARGET INLINE words LANED(turn)(words w)
{
#ifdef TURN
    return TURN(w);
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

TARGET INLINE ints LANED(count_from)(int32_t first)
{
    ints counted;
    for (int lane = 0; lane < LANES; lane++)
        counted[lane] = first + lane;
    return counted;
}

TARGET INLINE floats LANED(pick)(ints which, floats yes, floats no)
{
    return (floats)((which & (ints)yes) | (~which & (ints)no));
}

/* Return the smaller of each two, the second where one is NaN. */
TARGET INLINE floats LANED(smaller)(floats a, floats b)
{
#ifdef SMALLER
    return SMALLER(a, b);
#else
    return LANED(pick)(a < b, a, b);
#endif
}

TARGET INLINE floats LANED(larger)(floats a, floats b)
{
#ifdef LARGER
    return LARGER(a, b);
#else
    return LANED(pick)(a > b, a, b);
#endif
}

/* Return whether any bit is set. */
TARGET INLINE int LANED(any)(words v)
{
#ifdef ANY
    return ANY(v);
#else
    uint64_t pairs[LANES / 2], found = 0;
    memcpy(pairs, &v, sizeof pairs);
    for (int pair = 0; pair < LANES / 2; pair++)
        found |= pairs[pair];
    return found != 0;
#endif
}

TARGET INLINE int32_t LANED(sum)(ints v)
{
    int32_t found = 0;
    for (int lane = 0; lane < LANES; lane++)
        found += v[lane];
    return found;
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

/* Return how many of n keys, in whole vectors, are `most` or less. */
TARGET INLINE int64_t LANED(up_to)(const int32_t *keys, int64_t n, int32_t most)
{
    ints found = {0};
    for (int64_t i = 0; i < n; i += LANES)
        found -= (ints)LANED(load)(keys + i) <= most;
    return LANED(sum)(found);
}

/* Return the smallest of n keys that is above `bound`, and the largest that is below INT32_MAX. */
TARGET INLINE void LANED(ends)(const int32_t *keys, int64_t n, int32_t bound, int32_t *low,
                               int32_t *high)
{
    ints least = (ints){0} + INT32_MAX, most = (ints){0} + INT32_MIN;
    for (int64_t i = 0; i < n; i += LANES) {
        const ints key = (ints)LANED(load)(keys + i);
        const ints less = (key > bound) & (key < least), more = (key < INT32_MAX) & (key > most);
        least = (less & key) | (~less & least);
        most = (more & key) | (~more & most);
    }
    *low = INT32_MAX, *high = INT32_MIN;
    for (int lane = 0; lane < LANES; lane++) {
        *low = least[lane] < *low ? least[lane] : *low;
        *high = most[lane] > *high ? most[lane] : *high;
    }
}

/* Return the median of what is known of the noise, 0 if none of it is finite. The key that half of
 * them are below is looked for by halving where it can be: some twenty looks at all of them, 1.2 us
 * for 900, where to sort them apart takes 3 and numpy 5 to 8. */
TARGET INLINE float LANED(noise_floor)(const int32_t *keys, int64_t n)
{
    const int64_t known = LANED(up_to)(keys, n, INT32_MAX - 1), middle = (known - 1) / 2;
    if (LANED(up_to)(keys, n, 0x7f7fffff) == LANED(up_to)(keys, n, (int32_t)0x807fffff))
        return 0; /* no more below infinity than at minus infinity */
    int32_t low, high, next;
    LANED(ends)(keys, n, INT32_MIN, &low, &high);
    while (low < high) {
        const int32_t half = low + (int32_t)(((uint32_t)high - (uint32_t)low) / 2);
        if (LANED(up_to)(keys, n, half) > middle)
            high = half;
        else
            low = half + 1;
    }
    if (known % 2 || LANED(up_to)(keys, n, low) > middle + 1)
        return number(low);
    LANED(ends)(keys, n, low, &next, &high);
    return (number(low) + number(next)) / 2;
}

/* What is left of a window after the steps zero-nan, clip and mask: the vectors that are not all 0,
 * a few in a hundred, and where each begins: the row, and in the lower 16 bits the column. */
struct LANED(left) {
    int64_t count;
    float *vectors;
    uint32_t *at;
    float peak, low, high; /* before the steps; and after, where minmax looks */
};

/* The steps zero-nan, clip and mask. */
TARGET INLINE void LANED(clip)(const struct window *image, const struct window *noise,
                               const struct recipe *recipe, int32_t *levels,
                               struct LANED(left) *left)
{
    const struct window map = *image, levels_map = *noise;
    const int64_t side = recipe->side, last = side - LANES, sparse = recipe->sparse;
    const int64_t clipped = recipe->clipped;
    const float sigma = recipe->sigma;
    const ints lanes = LANED(count_from)(0), everywhere = (ints){0} - !!recipe->everywhere;
    const floats top = LANED(fill)(INFINITY), bottom = LANED(fill)(-INFINITY);
    floats peak = bottom, low = top, high = bottom;
    float *vectors = left->vectors;
    uint32_t *at = left->at;
    int64_t count = 0, thin = 0;
    for (int64_t y = 0; y < side; y++) {
        if (y == thin) {
            levels = thin_row(&levels_map, y, recipe, levels);
            thin += sparse;
        }
        const uint8_t *row = map.first + y * map.step;
        const uint8_t *levels_row = levels_map.first + y * levels_map.step;
        const int32_t from = recipe->from[y], to = recipe->to[y];
        const int64_t ahead = y + 2 < side ? 2 : 0;
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last;
            /* each row of a mosaic lies on a page of its own, which no processor foresees */
            __builtin_prefetch(row + ahead * map.step + 4 * x);
            __builtin_prefetch(levels_row + ahead * levels_map.step + 4 * x);
            words value = LANED(load)(row + 4 * x);
            value = map.turned ? LANED(turn)(value) : value;
            peak = LANED(larger)((floats)value, peak); /* NaN is not larger */
            const ints here = lanes + (int32_t)x, inside = (here >= from) & (here < to);
            ints keep = inside & ((value & 0x7f800000u) != 0x7f800000u); /* finite */
            if (clipped) {
                words level = LANED(load)(levels_row + 4 * x);
                level = levels_map.turned ? LANED(turn)(level) : level;
                level &= (words)((floats)level == (floats)level); /* NaN is 0 */
                keep &= ~((floats)value <= sigma * (floats)level);
            }
            value &= (words)keep;
            const ints counted = inside | everywhere;
            low = LANED(smaller)(LANED(pick)(counted, (floats)value, top), low);
            high = LANED(larger)(LANED(pick)(counted, (floats)value, bottom), high);
            memcpy(vectors + count * LANES, &value, sizeof value); /* over the last, if that was 0 */
            at[count] = (uint32_t)(y << 16 | x);
            count += LANED(any)(value);
        }
    }
    left->count = count;
    left->peak = LANED(most)(peak);
    left->low = LANED(least)(low);
    left->high = LANED(most)(high);
}

/* The step minmax and what follows it, 255 times, truncated, of a vector that begins at pixel x of
 * row y. Returns the grey pixels. */
TARGET INLINE words LANED(grey)(words value, const struct LANED(left) *left, int64_t y, int64_t x,
                                int64_t side, uint8_t *pixels, uint8_t *rows, ints counted)
{
    const floats black = LANED(fill)(0), white = LANED(fill)(255);
    floats scaled = ((floats)value - left->low) / (left->high - left->low) * 255.0f;
    scaled = LANED(pick)(scaled > black, scaled, black); /* NaN is 0, too */
    scaled = LANED(pick)(scaled < white, scaled, white);
    const ints grey = __builtin_convertvector(scaled, ints) & counted;
    const greys narrow = __builtin_convertvector(grey, greys);
    memcpy(pixels + y * side + x, &narrow, sizeof narrow);
    memcpy(rows + y * (side + 1) + x + 1, &narrow, sizeof narrow);
    return (words)grey;
}

/* Make the pixels of what is left of a window. Returns whether all became 0. */
TARGET INLINE int LANED(scale)(const struct LANED(left) *left, const struct recipe *recipe,
                               float *kept, uint8_t *pixels, uint8_t *rows)
{
    const int64_t side = recipe->side, last = side - LANES;
    const ints lanes = LANED(count_from)(0), everywhere = (ints){0} - !!recipe->everywhere;
    words some = {0};
    memset(pixels, 0, (size_t)(side * side));
    memset(rows, 0, (size_t)(side * (side + 1)));
    if (!(left->high - left->low > 0))
        return 1;
    if (left->low == 0) { /* nearly always: what is 0 stays so, and is 0 where nobody looks */
        for (int64_t i = 0; i < left->count; i++)
            some |= LANED(grey)(LANED(load)(left->vectors + i * LANES), left, left->at[i] >> 16,
                                left->at[i] & 0xffff, side, pixels, rows, (ints){0} - 1);
        return !LANED(any)(some);
    }
    memset(kept, 0, 4 * (size_t)(side * side));
    for (int64_t i = 0; i < left->count; i++)
        memcpy(kept + (left->at[i] >> 16) * side + (left->at[i] & 0xffff),
               left->vectors + i * LANES, 4 * LANES);
    for (int64_t y = 0; y < side; y++)
        for (int64_t start = 0; start < side; start += LANES) {
            const int64_t x = start < last ? start : last;
            const ints here = lanes + (int32_t)x;
            const ints counted = (here >= recipe->from[y]) & (here < recipe->to[y]);
            some |= LANED(grey)(LANED(load)(kept + y * side + x), left, y, x, side, pixels, rows,
                                counted | everywhere);
        }
    return !LANED(any)(some);
}

TARGET static void LANED(stamps)(int64_t n, const struct window *images,
                                 const struct window *noises, const struct recipe *recipe,
                                 struct made *made)
{
    const int64_t side = recipe->side, few = (side + recipe->sparse - 1) / recipe->sparse;
    const int64_t most = side * (side + 32);
    const int64_t keys = (few * few + LANES - 1) / LANES * LANES;
    int32_t levels[keys];
    for (int64_t i = few * few; i < keys; i++)
        levels[i] = INT32_MAX;
    struct LANED(left) left = {
        .vectors = made->room + most, .at = (uint32_t *)(made->room + 2 * most)};
    made->empty = 0;
    for (int64_t i = 0; i < n; i++) {
        LANED(clip)(images + i, noises + i, recipe, levels, &left);
        made->peaks[i] = left.peak + 0.0f; /* -0 is 0, whichever came first */
        made->empty += left.peak == -INFINITY;
        made->floors[i] = LANED(noise_floor)(levels, keys) + 0.0f;
        made->blank[i] = (uint8_t)LANED(scale)(&left, recipe, made->room,
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
                    (uint8_t)(!LANED(any)(gaps[square]) && LANED(any)(some[square]));
        }
}

#undef floats
#undef ints
#undef words
#undef greys
#undef LANES
#undef TARGET
#undef LARGER
#undef SMALLER
#undef TURN
#undef ANY
