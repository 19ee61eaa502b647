/* The compiled kernel: the usual steps of a recipe, and the search for gaps in a mosaic, each in
 * one pass over memory where numpy needs a dozen; and the tiles of compressed images.
 *
 * The kernel is only an optimisation: its output must be bit-identical to the Python steps for
 * every recipe and every pixel, and the tests compare the two at every vector width. Compile with
 * -ffp-contract=off: a fused multiply-add rounds once where numpy rounds twice.
 *
 * This file holds the interface: the structures, the argument checks and the choice of vector
 * width. The loops are in lanes.h, which is included once for each width, and includes hashes.h and
 * unit_range.h; pages.h deals with mapped files that cannot be read, sha256.h and hashes.h hash,
 * resample.h resamples, tiles.h decodes, and unit_range.h converts the images of batches. A stamp of
 * 150 x 150 pixels takes 14 us with AVX-512, 16 with AVX2 and 29 with neither, of which it waits 7
 * for memory (median; numpy takes 100). The vector types are extensions of GCC and Clang. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "pages.h"
#include "sha256.h"

#define INLINE static inline __attribute__((always_inline))
#define JOIN_(name, lanes) name##_##lanes
#define JOIN(name, lanes) JOIN_(name, lanes)
#define LANED(name) JOIN(name, LANES)

enum {
    SQUARE = 64,            /* pixels on a side of the squares that are searched for gaps */
    SMALLEST_SIDE = 16,     /* pixels on a side of a stamp: one of the widest vectors */
    LARGEST_SIDE = 512,     /* bounds the noise samples, which are on the stack */
    SMALLEST_STRIDE = 4,    /* the same: at most (512 / 4)^2 samples of 4 bytes */
    LARGEST_WIDTH = 1 << 28 /* pixels on an axis of an image, so that no product overflows */
};
#define LARGEST_SPAN ((int64_t)1 << 62) /* bytes from the first row of an image to the last */
#define LARGEST_MESSAGE ((int64_t)1 << 32) /* bytes, so that its length in bits is no problem */

/* A window of a float32 image. The pixels of a row are adjacent in memory. */
struct window {
    const uint8_t *first; /* address of the first pixel; it need not be aligned */
    int64_t row_stride;   /* bytes from a row to the next; 0 repeats one row, negative is allowed */
    int64_t byteswapped;  /* 1 where the pixels have the other byte order than this machine */
};

/* Square windows of one size. */
struct window_array {
    const struct window *windows;
    int64_t count;
    int64_t side; /* pixels */
};

/* The steps that are done to each window. Pixel x of row y is inside the mask where
 * mask_start[y] <= x < mask_stop[y]. */
struct recipe {
    int64_t side;               /* pixels */
    int64_t noise_stride;       /* the median noise is of every so many pixels on either axis */
    int64_t clip;               /* 1 if pixels up to sigma times the noise become 0 */
    int64_t scale_outside_mask; /* 1 if the scale is of all pixels, not only of those in the mask */
    const int32_t *mask_start;
    const int32_t *mask_stop;
    int64_t mask_rows; /* length of both */
    float sigma;
};

/* Where the stamps are written: arrays for the pixels of `capacity` stamps, those of one call, and
 * for the numbers of all windows. */
struct result {
    uint8_t *pixels;     /* (capacity, side, side) */
    uint8_t *rows;       /* (capacity, side, side + 1): PNG scanlines, each after its filter byte 0 */
    uint8_t *blank;      /* (numbers): 1 where every pixel is 0 */
    float *peaks;        /* (numbers): -inf where no pixel is above it; the caller finds the peak */
    float *median_noise; /* (numbers) */
    float *lowest;       /* (numbers): what the step minmax made 0, and what it made 1 */
    float *highest;      /* (numbers) */
    int64_t capacity;
    int64_t numbers;
    int64_t side;
    float *workspace;       /* of one window, reused */
    int64_t workspace_size; /* floats; at least 3 * side * (side + 32) */
    int64_t without_peak;   /* set by the call: how many peaks are -inf */
};

#include "resample.h"
#include "tiles.h"

/* The sizes of the structures, the offset and size of each field, and the constants that
 * `mingolotss.image.compiled` repeats. It compares them with its own when it loads the library, so
 * that the two cannot drift apart unnoticed. */
#define FIELD(type, field) offsetof(struct type, field), sizeof((struct type *)0)->field
static const int64_t layout[] = {
    sizeof(struct window), FIELD(window, first), FIELD(window, row_stride),
    FIELD(window, byteswapped),
    sizeof(struct window_array), FIELD(window_array, windows), FIELD(window_array, count),
    FIELD(window_array, side),
    sizeof(struct recipe), FIELD(recipe, side), FIELD(recipe, noise_stride),
    FIELD(recipe, clip), FIELD(recipe, scale_outside_mask), FIELD(recipe, mask_start),
    FIELD(recipe, mask_stop), FIELD(recipe, mask_rows), FIELD(recipe, sigma),
    sizeof(struct result), FIELD(result, pixels), FIELD(result, rows), FIELD(result, blank),
    FIELD(result, peaks), FIELD(result, median_noise), FIELD(result, lowest),
    FIELD(result, highest), FIELD(result, capacity), FIELD(result, numbers),
    FIELD(result, side), FIELD(result, workspace), FIELD(result, workspace_size),
    FIELD(result, without_peak),
    sizeof(struct resampled_plane), FIELD(resampled_plane, values), FIELD(resampled_plane, known),
    FIELD(resampled_plane, result),
    sizeof(struct resampling), FIELD(resampling, nodes), FIELD(resampling, cells),
    FIELD(resampling, side), FIELD(resampling, ny), FIELD(resampling, nx),
    FIELD(resampling, planes), FIELD(resampling, plane_count), FIELD(resampling, is_exact),
    FIELD(resampling, sigma), FIELD(resampling, reach), FIELD(resampling, least_known),
    FIELD(resampling, largest),
    sizeof(struct tile), FIELD(tile, start), FIELD(tile, length), FIELD(tile, row),
    FIELD(tile, column), FIELD(tile, height), FIELD(tile, width), FIELD(tile, seed),
    FIELD(tile, blank), FIELD(tile, scale), FIELD(tile, zero), FIELD(tile, problem),
    sizeof(struct tiling), FIELD(tiling, heap), FIELD(tiling, heap_size), FIELD(tiling, tiles),
    FIELD(tiling, count), FIELD(tiling, pixel_bytes), FIELD(tiling, block),
    FIELD(tiling, method), FIELD(tiling, has_blank), FIELD(tiling, random),
    FIELD(tiling, plane), FIELD(tiling, type), FIELD(tiling, rows), FIELD(tiling, columns),
    FIELD(tiling, workspace), FIELD(tiling, workspace_size),
    SQUARE, SMALLEST_SIDE, LARGEST_SIDE, STEPS, N_RANDOM,
};

/* What a call returns: OK, or the first argument check that failed. */
enum status {
    OK, NULL_POINTER, MISALIGNED, WRONG_LANES, WRONG_COUNT, WRONG_SIDE, WINDOW_OF_OTHER_SIZE,
    WRONG_ROW_STRIDE, WRONG_FLAG, WRONG_NOISE_STRIDE, WRONG_MASK, RESULT_TOO_SMALL,
    NOT_WHOLE_SQUARES, WRONG_RESAMPLING, WRONG_TILING, WRONG_TILE,
    WRONG_MESSAGES, WRONG_IMAGES, STATUS_COUNT
};

static const char *const messages[STATUS_COUNT] = {
    [OK] = "no error",
    [NULL_POINTER] = "a pointer is null",
    [MISALIGNED] = "a pointer is not aligned for its type",
    [WRONG_LANES] = "the number of lanes is none of 4, 8 and 16",
    [WRONG_COUNT] = "the stamps asked for are not in the arrays of windows",
    [WRONG_SIDE] = "the side is not from 16 to 512 pixels",
    [WINDOW_OF_OTHER_SIZE] = "the windows of image and noise are not of the recipe's side",
    [WRONG_ROW_STRIDE] = "the rows of a window lie farther apart than memory reaches",
    [WRONG_FLAG] = "a flag is neither 0 nor 1",
    [WRONG_NOISE_STRIDE] = "the noise stride is not from 4 to 512",
    [WRONG_MASK] = "the mask has another number of rows, or leaves the stamp",
    [RESULT_TOO_SMALL] = "the result has no room for the answer",
    [NOT_WHOLE_SQUARES] = "the image is no whole number of squares",
    [WRONG_RESAMPLING] = "a number of a resampling is out of range",
    [WRONG_TILING] = "a number of a tiling is out of range",
    [WRONG_TILE] = "a tile is not in its heap, in the plane or in the workspace",
    [WRONG_MESSAGES] = "the number or the size of messages is out of range",
    [WRONG_IMAGES] = "the number or the size of images is out of range",
};

/* Order-preserving keys: a float's bits, read as an integer, sort like the float if it is positive
 * and the wrong way round if it is negative; flipping all but the sign bit of a negative one mends
 * that. Comparisons of keys are then exact, and NaN can be given the last place, INT32_MAX. */

/* Append the keys of every so many pixels of a row of noise; return the place after them. */
INLINE int32_t *append_noise_keys(const struct window *noise, int64_t y,
                                  const struct recipe *recipe, int32_t *keys)
{
    for (int64_t x = 0; x < recipe->side; x += recipe->noise_stride) {
        uint32_t word;
        memcpy(&word, noise->first + y * noise->row_stride + 4 * x, 4);
        word = noise->byteswapped ? __builtin_bswap32(word) : word;
        const int32_t key = (int32_t)word ^ ((int32_t)word >> 31 & 0x7fffffff);
        *keys++ = (word & 0x7fffffff) > 0x7f800000 ? INT32_MAX : key;
    }
    return keys;
}

/* Return the float of a key. */
INLINE float float_of_key(int32_t key)
{
    const int32_t word = key ^ (key >> 31 & 0x7fffffff);
    float value;
    memcpy(&value, &word, 4);
    return value;
}

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BIG_ENDIAN_WORD(word) (word)
#else
#define BIG_ENDIAN_WORD(word) __builtin_bswap32(word)
#endif

#define LANES 4
#define TARGET
#include "lanes.h"
#if defined(__x86_64__)
/* where each byte of four byteswapped pixels comes from */
#define SWAPPED 0x0c0d0e0f08090a0bLL, 0x0405060700010203LL
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define MAXIMUM(a, b) (floats)_mm256_max_ps((__m256)(a), (__m256)(b))
#define MINIMUM(a, b) (floats)_mm256_min_ps((__m256)(a), (__m256)(b))
#define BYTESWAP(w) (words)_mm256_shuffle_epi8((__m256i)(w), _mm256_set_epi64x(SWAPPED, SWAPPED))
#define ANY(v) !_mm256_testz_si256((__m256i)(v), (__m256i)(v))
#define EXCEEDS(a, b) \
    (_mm256_movemask_ps(_mm256_cmp_ps((__m256)(a), (__m256)(b), _CMP_NLE_UQ)) != 0)
#include "lanes.h"
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define MAXIMUM(a, b) (floats)_mm512_max_ps((__m512)(a), (__m512)(b))
#define MINIMUM(a, b) (floats)_mm512_min_ps((__m512)(a), (__m512)(b))
#define BYTESWAP(w) (words)_mm512_shuffle_epi8((__m512i)(w), _mm512_set4_epi64(SWAPPED, SWAPPED))
#define ANY(v) (_mm512_test_epi32_mask((__m512i)(v), (__m512i)(v)) != 0)
#define EXCEEDS(a, b) (_mm512_cmp_ps_mask((__m512)(a), (__m512)(b), _CMP_NLE_UQ) != 0)
#include "lanes.h"
#endif

/* Return the width of the vectors: what the processor has, but no more than `limit`, for tests. */
static int vector_lanes(int limit)
{
#if defined(__x86_64__)
    if (limit >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 16;
    if (limit >= 8 && __builtin_cpu_supports("avx2"))
        return 8;
#endif
    (void)limit;
    return 4;
}

#if defined(__x86_64__)
#define DISPATCH(limit, name, ...)          \
    switch (vector_lanes(limit)) {          \
    case 16: name##_16(__VA_ARGS__); break; \
    case 8: name##_8(__VA_ARGS__); break;   \
    default: name##_4(__VA_ARGS__);         \
    }
#else
#define DISPATCH(limit, name, ...) (void)(limit), name##_4(__VA_ARGS__)
#endif

/* The argument checks. They cost a few comparisons a window, not a pixel, and stop every read and
 * write that the arguments show to be out of bounds; that a window lies in its image only the
 * caller can know, and `mingolotss.image.windows` checks it. */

#define ALIGNED(pointer) ((uintptr_t)(pointer) % _Alignof(__typeof__(*(pointer))) == 0)

static int is_flag(int64_t value)
{
    return value == 0 || value == 1;
}

static enum status check_lanes(int lanes)
{
    return lanes == 4 || lanes == 8 || lanes == 16 ? OK : WRONG_LANES;
}

/* Check a window of so many rows. */
static enum status check_window(const struct window *window, int64_t rows)
{
    const int64_t largest_stride = rows ? LARGEST_SPAN / rows : LARGEST_SPAN;
    if (!window->first)
        return NULL_POINTER;
    if (!is_flag(window->byteswapped))
        return WRONG_FLAG;
    if (window->row_stride > largest_stride || window->row_stride < -largest_stride)
        return WRONG_ROW_STRIDE;
    return OK;
}

static enum status check_windows(const struct window_array *array, int64_t start, int64_t count,
                                 int64_t side)
{
    if (!array || !array->windows)
        return NULL_POINTER;
    if (!ALIGNED(array) || !ALIGNED(array->windows))
        return MISALIGNED;
    if (array->side != side)
        return WINDOW_OF_OTHER_SIZE;
    if (start < 0 || count < 0 || count > array->count || start > array->count - count)
        return WRONG_COUNT;
    enum status status = OK;
    for (int64_t i = start; i < start + count && !status; i++)
        status = check_window(array->windows + i, side);
    return status;
}

static enum status check_recipe(const struct recipe *recipe)
{
    if (!recipe || !recipe->mask_start || !recipe->mask_stop)
        return NULL_POINTER;
    if (!ALIGNED(recipe) || !ALIGNED(recipe->mask_start) || !ALIGNED(recipe->mask_stop))
        return MISALIGNED;
    if (recipe->side < SMALLEST_SIDE || recipe->side > LARGEST_SIDE)
        return WRONG_SIDE;
    if (recipe->noise_stride < SMALLEST_STRIDE || recipe->noise_stride > LARGEST_SIDE)
        return WRONG_NOISE_STRIDE;
    if (!is_flag(recipe->clip) || !is_flag(recipe->scale_outside_mask))
        return WRONG_FLAG;
    if (recipe->mask_rows != recipe->side)
        return WRONG_MASK;
    for (int64_t y = 0; y < recipe->side; y++)
        if (recipe->mask_start[y] < 0 || recipe->mask_stop[y] < recipe->mask_start[y]
            || recipe->mask_stop[y] > recipe->side)
            return WRONG_MASK;
    return OK;
}

static enum status check_result(const struct result *result, int64_t start, int64_t count,
                                int64_t side)
{
    if (!result || !result->pixels || !result->rows || !result->blank || !result->peaks
        || !result->median_noise || !result->lowest || !result->highest || !result->workspace)
        return NULL_POINTER;
    if (!ALIGNED(result) || !ALIGNED(result->peaks) || !ALIGNED(result->median_noise)
        || !ALIGNED(result->lowest) || !ALIGNED(result->highest) || !ALIGNED(result->workspace))
        return MISALIGNED;
    if (result->side != side || result->capacity < count || result->numbers < start + count
        || result->workspace_size < 3 * side * (side + 32))
        return RESULT_TOO_SMALL;
    return OK;
}

/* Make stamps of `count` windows from number `start`, in vectors of at most `lanes` pixels. */
int mingolotss_stamps(const struct window_array *images, const struct window_array *noises,
                      int64_t start, int64_t count, const struct recipe *recipe,
                      struct result *result, int lanes)
{
    enum status status = check_lanes(lanes);
    status = status ? status : check_recipe(recipe);
    status = status ? status : check_windows(images, start, count, recipe->side);
    status = status ? status : check_windows(noises, start, count, recipe->side);
    status = status ? status : check_result(result, start, count, recipe->side);
    if (status)
        return (int)status;
    DISPATCH(lanes, stamps, start, count, images->windows, noises->windows, recipe, result);
    return OK;
}

/* Search the squares of an image of rows x columns pixels; observed[i] becomes 1 where all pixels
 * of a square are finite and not all of them are 0. There is room for `capacity` answers. */
int mingolotss_squares(const struct window *image, int64_t rows, int64_t columns,
                       uint8_t *observed, int64_t capacity, int lanes)
{
    enum status status = check_lanes(lanes);
    if (!status && (!image || !observed))
        status = NULL_POINTER;
    if (!status && !ALIGNED(image))
        status = MISALIGNED;
    if (!status && (rows < 0 || columns < 0 || rows % SQUARE || columns % SQUARE
                    || rows > LARGEST_WIDTH || columns > LARGEST_WIDTH))
        status = NOT_WHOLE_SQUARES;
    if (!status && rows / SQUARE * (columns / SQUARE) > capacity)
        status = RESULT_TOO_SMALL;
    status = status ? status : check_window(image, rows);
    if (status)
        return (int)status;
    DISPATCH(lanes, squares, rows / SQUARE, columns / SQUARE, image, observed);
    return OK;
}

/* Hash `count` messages of `size` bytes each, which lie one after the other in memory, in vectors of
 * at most `lanes` messages. There is room for `capacity` digests of 32 bytes. */
int mingolotss_hash_images(const uint8_t *messages, int64_t count, int64_t size,
                           uint8_t *digests, int64_t capacity, int lanes)
{
    enum status status = check_lanes(lanes);
    if (!status && (!messages || !digests))
        status = NULL_POINTER;
    if (!status && (count < 0 || size < 0 || size > LARGEST_MESSAGE))
        status = WRONG_MESSAGES;
    if (!status && count > capacity)
        status = RESULT_TOO_SMALL;
    if (status)
        return (int)status;
    DISPATCH(lanes, hash_images, count, size, messages, digests);
    return OK;
}

/* Convert `count` images of `size` grey pixels each to floats from 0 to 1, in vectors of at most
 * `lanes` pixels. There is room for `capacity` floats. */
int mingolotss_unit_range(const uint8_t *const *images, int64_t count, int64_t size, float *result,
                          int64_t capacity, int lanes)
{
    enum status status = check_lanes(lanes);
    if (!status && (!images || !result))
        status = NULL_POINTER;
    if (!status && (!ALIGNED(images) || !ALIGNED(result)))
        status = MISALIGNED;
    if (!status && (count < 0 || size < 0))
        status = WRONG_IMAGES;
    if (!status && size && count > capacity / size)
        status = RESULT_TOO_SMALL;
    for (int64_t i = 0; !status && i < count; i++)
        status = images[i] ? OK : NULL_POINTER;
    if (status)
        return (int)status;
    DISPATCH(lanes, unit_range, count, size, images, result);
    return OK;
}

static enum status check_resampling(const struct resampling *r)
{
    if (!r || !r->nodes || !r->planes)
        return NULL_POINTER;
    if (!ALIGNED(r) || !ALIGNED(r->nodes) || !ALIGNED(r->planes))
        return MISALIGNED;
    if (r->side < 1 || r->side > LARGEST_WIDTH || r->cells < 1 || r->cells > r->side || r->ny < 1
        || r->nx < 1 || r->ny > LARGEST_WIDTH || r->nx > LARGEST_WIDTH || r->plane_count < 1
        || r->plane_count > MOST_PLANES || !is_flag(r->is_exact) || !(r->sigma > 0)
        || !(r->reach > 0) || !(r->least_known > 0) || !(r->largest >= 1)
        || !(2 * r->reach * r->largest + 2 <= WIDEST_SAMPLE))
        return WRONG_RESAMPLING;
    for (int64_t p = 0; p < r->plane_count; p++) {
        const struct resampled_plane *plane = r->planes + p;
        if (!plane->values || !plane->result)
            return NULL_POINTER;
        if (!ALIGNED(plane->values) || !ALIGNED(plane->result) || !ALIGNED(plane->known))
            return MISALIGNED;
    }
    return OK;
}

/* Resample one stamp, in all its planes, in vectors of at most `lanes` pixels. */
int mingolotss_resample(const struct resampling *resampling, int lanes)
{
    enum status status = check_lanes(lanes);
    status = status ? status : check_resampling(resampling);
    if (status)
        return (int)status;
#if defined(__x86_64__)
    if (vector_lanes(lanes) >= 8) {
        resample_8(resampling);
        return OK;
    }
#endif
    resample_4(resampling);
    return OK;
}

static enum status check_tile(const struct tiling *tiling, const struct tile *tile)
{
    if (tile->start < 0 || tile->length < 0 || tile->length > tiling->heap_size
        || tile->start > tiling->heap_size - tile->length || tile->row < 0 || tile->column < 0
        || tile->height < 1 || tile->width < 1 || tile->height > tiling->rows
        || tile->width > tiling->columns || tile->row > tiling->rows - tile->height
        || tile->column > tiling->columns - tile->width
        || tile->height * tile->width > tiling->workspace_size || tile->seed < 0
        || tile->seed >= N_RANDOM)
        return WRONG_TILE;
    return OK;
}

static enum status check_tiling(const struct tiling *t)
{
    if (!t || !t->heap || !t->tiles || !t->plane || !t->workspace
        || (t->method >= DITHER_1 && !t->random))
        return NULL_POINTER;
    if (!ALIGNED(t) || !ALIGNED(t->tiles) || !ALIGNED(t->workspace) || !ALIGNED(t->random)
        || (t->method == INTEGERS && (uintptr_t)t->plane % 4)
        || (t->method != INTEGERS && (uintptr_t)t->plane % 8))
        return MISALIGNED;
    const int is_float = t->type == -4 || t->type == -8;
    const int is_integer = t->type == 1 || t->type == 2 || t->type == 4;
    const int is_rice = t->pixel_bytes == 1 || t->pixel_bytes == 2 || t->pixel_bytes == 4;
    if (t->count < 0 || t->heap_size < 0 || !(is_rice || t->pixel_bytes == 0) || t->block < 1
        || t->block > LARGEST_WIDTH || t->method < INTEGERS || t->method >= METHOD_COUNT
        || !(t->method == INTEGERS ? is_integer : is_float) || !is_flag(t->has_blank)
        || t->rows < 1 || t->columns < 1 || t->rows > LARGEST_WIDTH
        || t->columns > LARGEST_WIDTH)
        return WRONG_TILING;
    enum status status = OK;
    for (int64_t i = 0; i < t->count && !status; i++)
        status = check_tile(t, t->tiles + i);
    return status;
}

/* Decode the tiles of an image, in vectors of at most `lanes` pixels; each has its problem, or 0. */
int mingolotss_tiles(const struct tiling *tiling, int lanes)
{
    enum status status = check_lanes(lanes);
    status = status ? status : check_tiling(tiling);
    if (status)
        return (int)status;
#if defined(__x86_64__)
    if (vector_lanes(lanes) >= 8 && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt")) {
        decode_tiles_8(tiling);
        return OK;
    }
#endif
    decode_tiles_4(tiling);
    return OK;
}

/* Return in words what a status means. */
const char *mingolotss_message(int status)
{
    return status >= 0 && status < STATUS_COUNT ? messages[status] : "unknown status";
}

/* Return the version of the functions above; `mingolotss.image.compiled` knows one of them. */
int mingolotss_interface(void)
{
    return 11;
}

/* Return the layout of the structures, and how many numbers that is. */
const int64_t *mingolotss_layout(int64_t *length)
{
    *length = sizeof layout / sizeof *layout;
    return layout;
}

/* Return how many pixels a vector holds on this machine. */
int mingolotss_lanes(void)
{
    return vector_lanes(16);
}

/* Return the SHA-256 of the sources that this was compiled from. */
const char *mingolotss_sources(void)
{
#ifdef SOURCES
    return SOURCES;
#else
    return "";
#endif
}
