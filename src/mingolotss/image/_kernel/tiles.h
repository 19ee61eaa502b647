/* The tiles of a compressed image (FITS standard 4.0, section 10): RICE (10.4.1), and the floats of
 * quantised pixels (10.2). The bytes of a tile come from outside and may be anything. Each read is
 * checked against the end of the tile, each write is of a pixel of the plane, and a stream that does
 * not fit to its tile is a problem that the caller reports. */

#define N_RANDOM 10000      /* random numbers of the standard, appendix I */
#define ZERO (-2147483646)  /* the integer of a pixel that is exactly 0, in SUBTRACTIVE_DITHER_2 */

enum method { INTEGERS, SCALED, DITHER_1, DITHER_2, METHOD_COUNT };

/* What can be wrong with the bytes of a tile; `mingolotss.image.compiled_tiles` has the words. */
enum problem { WHOLE, TOO_SHORT, TOO_LONG, WRONG_CODE };

/* One tile. */
struct tile {
    int64_t start;  /* of its bytes in the heap */
    int64_t length; /* bytes */
    int64_t row;    /* of its first pixel in the plane */
    int64_t column;
    int64_t height; /* pixels */
    int64_t width;
    int64_t seed;    /* from 0: the random number that the sequence of the tile begins with */
    int64_t blank;   /* the integer of undefined pixels, if `has_blank` */
    double scale;
    double zero;
    int64_t problem; /* set by the call */
};

/* Tiles, and the part of the image that they are decoded to. */
struct tiling {
    const uint8_t *heap;
    int64_t heap_size;
    struct tile *tiles;
    int64_t count;
    int64_t pixel_bytes; /* BYTEPIX of RICE: 1, 2 or 4; 0 where the heap has the integers as int32 */
    int64_t block;       /* BLOCKSIZE of RICE, pixels */
    int64_t method;
    int64_t has_blank;
    const float *random; /* N_RANDOM numbers from 0 to 1, if the method needs them */
    void *plane;         /* (rows, columns) */
    int64_t type;        /* bytes of an integer of the plane, or minus those of a float */
    int64_t rows;
    int64_t columns;
    int32_t *workspace; /* the integers of one tile */
    int64_t workspace_size;
};

/* Bits from the highest of each byte to the lowest. `bits` has the next `count` ones at its top;
 * those below are undefined. Only bytes before `end` are read. */
struct reader {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t bits;
    int64_t count; /* 0 to 63 */
};

/* Return the 8 bytes at a place as bits. */
INLINE uint64_t load_bits(const uint8_t *from)
{
    uint64_t word;
    memcpy(&word, from, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Make at least 56 bits ready; `ahead` are the 8 bytes at `next`. Bits below the counted ones are
 * set to what the next call sets them to again. */
INLINE void append(struct reader *reader, uint64_t ahead)
{
    reader->bits |= ahead >> reader->count;
    reader->next += (63 - reader->count) >> 3;
    reader->count |= 56;
}

/* Make at least 56 bits ready, or all that are left. */
INLINE void refill(struct reader *reader)
{
    if (reader->end - reader->next >= 8)
        append(reader, load_bits(reader->next));
    else
        for (; reader->count < 56 && reader->next < reader->end; reader->count += 8)
            reader->bits |= (uint64_t)*reader->next++ << (56 - reader->count);
}

/* Drop bits that are ready. */
INLINE void drop(struct reader *reader, int64_t count)
{
    reader->bits <<= count;
    reader->count -= count;
}

/* Return the next 1 to 32 bits, or -1 if there are fewer. */
INLINE int64_t take(struct reader *reader, int64_t count)
{
    if (reader->count < count)
        refill(reader);
    if (reader->count < count)
        return -1;
    const int64_t value = (int64_t)(reader->bits >> (64 - count));
    drop(reader, count);
    return value;
}

/* Return the number of zeros before the next one, which are all dropped; -1 if there is none. */
INLINE int64_t take_zeros(struct reader *reader)
{
    for (int64_t zeros = 0;;) {
        refill(reader);
        if (!reader->count)
            return -1;
        const int64_t here = reader->bits ? __builtin_clzll(reader->bits) : 64;
        if (here < reader->count) {
            drop(reader, here + 1);
            return zeros + here;
        }
        zeros += reader->count;
        drop(reader, reader->count);
    }
}

/* What the integers of a tile are after each difference. */
struct integers_of_tile {
    int32_t *pixels;
    int64_t bytes; /* of each */
    uint32_t last;
};

/* Add a difference, whose sign is its lowest bit. */
INLINE void add_pixel(struct integers_of_tile *to, int64_t i, uint32_t difference)
{
    to->last += difference & 1 ? ~(difference >> 1) : difference >> 1;
    to->pixels[i] = to->bytes == 4   ? (int32_t)to->last
                    : to->bytes == 2 ? (int16_t)to->last
                                     : (int32_t)(uint8_t)to->last;
}

/* Decode pixels of a block as `unary_block` does, `step` of them from one refill, as long as the bits
 * that are ready are enough for all of them; return the first pixel that is left. */
INLINE int64_t several_pixels(struct reader *reader, int64_t low_bits, int64_t i, int64_t stop,
                              int step, struct integers_of_tile *to)
{
    if (reader->end - reader->next < 8)
        return i;
    uint64_t ahead = load_bits(reader->next);
    while (i + step <= stop) {
        append(reader, ahead);
        if (reader->end - reader->next < 8)
            break;
        ahead = load_bits(reader->next); /* the pixels below need not wait for it */
        uint64_t bits = reader->bits;
        int64_t used = step * (low_bits + 1);
        uint32_t differences[4];
        for (int k = 0; k < step; k++) {
            const int64_t zeros = __builtin_clzll(bits | 1);
            bits = bits << zeros << 1;
            differences[k] = (uint32_t)zeros << low_bits | (uint32_t)(bits >> 1 >> (63 - low_bits));
            bits <<= low_bits;
            used += zeros;
        }
        if (used > reader->count)
            break;
        reader->bits = bits;
        reader->count -= used;
        for (int k = 0; k < step; k++)
            add_pixel(to, i++, differences[k]);
    }
    return i;
}

/* Decode the pixels of a block whose differences have so many low bits, after high ones in unary. */
INLINE enum problem unary_block(struct reader *reader, int64_t low_bits, int64_t i, int64_t stop,
                                struct integers_of_tile *to)
{
    while (i < stop) {
        if (low_bits < 10)
            i = several_pixels(reader, low_bits, i, stop, 4, to);
        else if (low_bits < 24)
            i = several_pixels(reader, low_bits, i, stop, 2, to);
        if (i == stop)
            break;
        const int64_t zeros = take_zeros(reader);
        const int64_t low = low_bits && zeros >= 0 ? take(reader, low_bits) : 0;
        if (zeros < 0 || low < 0)
            return TOO_SHORT;
        add_pixel(to, i++, (uint32_t)zeros << low_bits | (uint32_t)low);
    }
    return WHOLE;
}

/* Decode a stream of RICE. The first pixel is given as it is; the differences follow in blocks. Each
 * block begins with a code of `code_bits`: 0 where all differences are 0, the largest one where they
 * are given as they are, and otherwise 1 + the number of low bits of a difference. */
INLINE enum problem rice(struct reader reader, int64_t pixel_bytes, int64_t block, int64_t count,
                         int32_t *pixels)
{
    const int64_t code_bits = pixel_bytes == 4 ? 5 : pixel_bytes == 2 ? 4 : 3;
    const int64_t raw_code = pixel_bytes == 4 ? 26 : pixel_bytes == 2 ? 15 : 7;
    const int64_t first = take(&reader, 8 * pixel_bytes);
    struct integers_of_tile to = {pixels, pixel_bytes, (uint32_t)first};
    if (first < 0)
        return TOO_SHORT;
    for (int64_t start = 0; start < count; start += block) {
        const int64_t stop = start + block < count ? start + block : count;
        const int64_t code = take(&reader, code_bits);
        if (code < 0)
            return TOO_SHORT;
        if (code > raw_code)
            return WRONG_CODE;
        if (code && code < raw_code) {
            if (unary_block(&reader, code - 1, start, stop, &to))
                return TOO_SHORT;
            continue;
        }
        for (int64_t i = start; i < stop; i++) {
            const int64_t difference = code ? take(&reader, 8 * pixel_bytes) : 0;
            if (difference < 0)
                return TOO_SHORT;
            add_pixel(&to, i, (uint32_t)difference);
        }
    }
    return reader.end - reader.next + reader.count / 8 ? TOO_LONG : WHOLE;
}

/* Where a tile is in the random numbers: after the last of them, the sequence goes on at another. */
struct dither {
    const float *random;
    int64_t seed;
    int64_t next;
};

INLINE void begin_sequence(struct dither *dither)
{
    dither->next = (int64_t)(dither->random[dither->seed] * 500);
}

/* Write the floats of quantised pixels, row by row; `type` is float or double. The arithmetic is in
 * double, as in cfitsio. */
#define WRITE_FLOATS(type)                                                                         \
    INLINE void write_##type##s(const struct tiling *tiling, const struct tile *tile)              \
    {                                                                                              \
        const int64_t method = tiling->method;                                                     \
        const int has_blank = tiling->has_blank && tile->blank == (int32_t)tile->blank;            \
        const int32_t blank = (int32_t)tile->blank, *from = tiling->workspace;                     \
        const double scale = tile->scale, zero = tile->zero;                                       \
        struct dither dither = {tiling->random, tile->seed, 0};                                    \
        if (method != SCALED)                                                                      \
            begin_sequence(&dither);                                                               \
        for (int64_t y = 0; y < tile->height; y++, from += tile->width) {                          \
            type *to = (type *)tiling->plane + (tile->row + y) * tiling->columns + tile->column;   \
            if (method == SCALED)                                                                  \
                for (int64_t x = 0; x < tile->width; x++)                                          \
                    to[x] = (type)(from[x] * scale + zero);                                        \
            for (int64_t x = 0; method != SCALED && x < tile->width;) {                            \
                const float *random = dither.random + dither.next - x;                             \
                int64_t stop = x + N_RANDOM - dither.next;                                         \
                stop = stop < tile->width ? stop : tile->width;                                    \
                dither.next += stop - x;                                                           \
                for (; x < stop; x++)                                                              \
                    to[x] = (type)(((double)from[x] - (double)random[x] + 0.5) * scale + zero);    \
                if (dither.next == N_RANDOM) {                                                     \
                    dither.seed = (dither.seed + 1) % N_RANDOM;                                    \
                    begin_sequence(&dither);                                                       \
                }                                                                                  \
            }                                                                                      \
            if (method == DITHER_2)                                                                \
                for (int64_t x = 0; x < tile->width; x++)                                          \
                    to[x] = from[x] == ZERO ? 0 : to[x];                                           \
            if (has_blank)                                                                         \
                for (int64_t x = 0; x < tile->width; x++)                                          \
                    to[x] = from[x] == blank ? (type)NAN : to[x];                                  \
        }                                                                                          \
    }
WRITE_FLOATS(float)
WRITE_FLOATS(double)

/* Write integers, row by row. */
#define WRITE_INTEGERS(type)                                                                       \
    INLINE void write_##type(const struct tiling *tiling, const struct tile *tile)                 \
    {                                                                                              \
        const int32_t *from = tiling->workspace;                                                   \
        for (int64_t y = 0; y < tile->height; y++, from += tile->width) {                          \
            type *to = (type *)tiling->plane + (tile->row + y) * tiling->columns + tile->column;   \
            for (int64_t x = 0; x < tile->width; x++)                                              \
                to[x] = (type)from[x];                                                             \
        }                                                                                          \
    }
WRITE_INTEGERS(uint8_t)
WRITE_INTEGERS(int16_t)
WRITE_INTEGERS(int32_t)

INLINE enum problem decode_tile(const struct tiling *tiling, const struct tile *tile)
{
    const uint8_t *bytes = tiling->heap + tile->start;
    const struct reader reader = {bytes, bytes + tile->length, 0, 0};
    const int64_t count = tile->height * tile->width, block = tiling->block;
    int32_t *pixels = tiling->workspace;
    switch (tiling->pixel_bytes) {
    case 1: return rice(reader, 1, block, count, pixels);
    case 2: return rice(reader, 2, block, count, pixels);
    case 4: return rice(reader, 4, block, count, pixels);
    default: break;
    }
    if (tile->length != 4 * count)
        return tile->length < 4 * count ? TOO_SHORT : TOO_LONG;
    memcpy(pixels, bytes, (size_t)tile->length);
    return WHOLE;
}

/* Decode all tiles. The pixels of one with a problem are left as they were. */
INLINE void decode_all(const struct tiling *tiling)
{
    for (int64_t i = 0; i < tiling->count; i++) {
        struct tile *tile = tiling->tiles + i;
        tile->problem = decode_tile(tiling, tile);
        if (tile->problem)
            continue;
        switch (tiling->type) {
        case 1: write_uint8_t(tiling, tile); break;
        case 2: write_int16_t(tiling, tile); break;
        case 4: write_int32_t(tiling, tile); break;
        case -4: write_floats(tiling, tile); break;
        default: write_doubles(tiling, tile);
        }
    }
}

static void decode_tiles_4(const struct tiling *tiling)
{
    decode_all(tiling);
}
#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt"))) static void decode_tiles_8(const struct tiling *tiling)
{
    decode_all(tiling);
}
#endif
